package apigateway

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVariableSet(t *testing.T) {
	t.Parallel()
	var all, even variableSet
	var want, wantEven []varID
	for i := range variables {
		id := varID(i)
		require.False(t, all.has(id))
		all.add(id)
		require.True(t, all.has(id))
		want = append(want, id)
		if i%2 == 0 {
			even.add(id)
			wantEven = append(wantEven, id)
		}
	}
	require.Equal(t, want, slices.Collect(all.all()))
	require.Equal(t, wantEven, slices.Collect(even.all()))
	require.Equal(t, len(wantEven), even.len())
	var odd, none variableSet
	odd.add(1)
	odd.add(varID(len(variables)-1) | 1)
	require.True(t, all.meets(&odd))
	require.False(t, even.meets(&odd))
	require.False(t, all.meets(&none))
	for id := range all.all() {
		require.Equal(t, varID(0), id)
		break
	}
}

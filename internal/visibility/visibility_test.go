package visibility_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

type attributes = map[string]enumspb.IndexedValueType

// operator is the attributes of one namespace.
type operator struct {
	have             attributes
	added            []attributes // by each call that was let through
	failList, failOn error
	// meanwhile runs before an AddSearchAttributes, as another process would.
	meanwhile func()
}

func (o *operator) ListSearchAttributes(_ context.Context, in *operatorservice.ListSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	if in.GetNamespace() != "ns" {
		return nil, errors.New("another namespace")
	}
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: maps.Clone(o.have)}, o.failList
}

// AddSearchAttributes refuses all where one is there, as the server does.
func (o *operator) AddSearchAttributes(_ context.Context, in *operatorservice.AddSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error) {
	if in.GetNamespace() != "ns" {
		return nil, errors.New("another namespace")
	}
	if run := o.meanwhile; run != nil {
		o.meanwhile = nil
		run()
	}
	if o.failOn != nil {
		return nil, o.failOn
	}
	for name := range in.GetSearchAttributes() {
		if _, exists := o.have[name]; exists {
			return nil, serviceerror.NewAlreadyExistsf("search attribute %s already exists", name)
		}
	}
	o.added = append(o.added, in.GetSearchAttributes())
	maps.Copy(o.have, in.GetSearchAttributes())
	return &operatorservice.AddSearchAttributesResponse{}, nil
}

func TestEnsureRegistersWhatIsMissing(t *testing.T) {
	t.Parallel()
	some := attributes{"LogpipeShard": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "OfSomebodyElse": enumspb.INDEXED_VALUE_TYPE_INT}
	rest := visibility.Types()
	delete(rest, "LogpipeShard")
	for name, c := range map[string]struct {
		have  attributes
		added []attributes
	}{
		"all":     {attributes{}, []attributes{visibility.Types()}},
		"some":    {some, []attributes{rest}},
		"nothing": {visibility.Types(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &operator{have: maps.Clone(c.have)}
			for range 2 { // the second time there is nothing to do
				require.NoError(t, visibility.Ensure(t.Context(), o, "ns"))
				require.Equal(t, c.added, o.added)
			}
		})
	}
}

func TestEnsureRefusesAnotherType(t *testing.T) {
	t.Parallel()
	o := &operator{have: attributes{"LogpipeBytes": enumspb.INDEXED_VALUE_TYPE_KEYWORD}}
	err := visibility.Ensure(t.Context(), o, "ns")
	require.EqualError(t, err, `search attribute LogpipeBytes of namespace "ns" has type Keyword, want Int: remove it there or use another namespace`)
	require.Empty(t, o.added, "nothing is registered beside it")
}

func TestEnsureWhileOthersDo(t *testing.T) {
	t.Parallel()
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		o := &operator{have: attributes{}}
		o.meanwhile = func() { require.NoError(t, visibility.Ensure(t.Context(), o, "ns")) }
		require.NoError(t, visibility.Ensure(t.Context(), o, "ns"))
		require.Equal(t, []attributes{visibility.Types()}, o.added)
	})
	t.Run("one of them", func(t *testing.T) {
		t.Parallel()
		o := &operator{have: attributes{}}
		o.meanwhile = func() { o.have["LogpipeShard"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD }
		require.NoError(t, visibility.Ensure(t.Context(), o, "ns"))
		require.Equal(t, visibility.Types(), o.have, "the refused call had added none of the others")
	})
	t.Run("as another type", func(t *testing.T) {
		t.Parallel()
		o := &operator{have: attributes{}}
		o.meanwhile = func() { o.have["LogpipeShard"] = enumspb.INDEXED_VALUE_TYPE_TEXT }
		require.ErrorContains(t, visibility.Ensure(t.Context(), o, "ns"), "has type Text, want Keyword")
	})
}

func TestEnsureFailures(t *testing.T) {
	t.Parallel()
	denied := serviceerror.NewPermissionDenied("not for you", "")
	err := visibility.Ensure(t.Context(), &operator{failList: denied}, "ns")
	require.ErrorIs(t, err, denied)
	require.ErrorContains(t, err, `list the search attributes of namespace "ns"`)

	have := visibility.Types()
	delete(have, "LogpipeEvents")
	delete(have, "LogpipeStatus")
	err = visibility.Ensure(t.Context(), &operator{have: have, failOn: denied}, "ns")
	require.ErrorIs(t, err, denied)
	require.ErrorContains(t, err, "temporal operator search-attribute create --namespace ns --name LogpipeEvents --type Int --name LogpipeStatus --type Keyword;",
		"the command registers what is missing")
	require.ErrorContains(t, err, "tcld namespace search-attributes add --namespace ns --search-attribute LogpipeEvents=Int --search-attribute LogpipeStatus=Keyword",
		"and the one for Temporal Cloud, too")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	have := visibility.Types()
	delete(have, "LogpipeEvents")
	have["LogpipeBytes"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	have["OfSomebodyElse"] = enumspb.INDEXED_VALUE_TYPE_TEXT
	o := &operator{have: have}
	c, err := visibility.Compare(t.Context(), o, "ns")
	require.NoError(t, err)
	require.Equal(t, visibility.Comparison{
		Missing:  attributes{"LogpipeEvents": enumspb.INDEXED_VALUE_TYPE_INT},
		Mistyped: attributes{"LogpipeBytes": enumspb.INDEXED_VALUE_TYPE_KEYWORD},
	}, c)
	require.ErrorContains(t, c.Fault("ns"), "LogpipeBytes")
	require.Empty(t, o.added, "to compare is to look only")
}

// TestTypesFitSQL: Temporal on SQL has three Int and ten Keyword columns for all
// pipelines and all other users of a namespace.
func TestTypesFitSQL(t *testing.T) {
	t.Parallel()
	counts := map[enumspb.IndexedValueType]int{}
	for _, kind := range visibility.Types() {
		counts[kind]++
	}
	require.LessOrEqual(t, counts[enumspb.INDEXED_VALUE_TYPE_INT], 3)
	require.LessOrEqual(t, counts[enumspb.INDEXED_VALUE_TYPE_KEYWORD], 10)
	require.LessOrEqual(t, counts[enumspb.INDEXED_VALUE_TYPE_DATETIME], 3)
}

func TestColumnsAreRegistered(t *testing.T) {
	t.Parallel()
	columns := visibility.Columns()
	for _, column := range columns {
		require.Contains(t, visibility.Types(), column)
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(columns))), len(columns))
}

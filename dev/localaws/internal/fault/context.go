package fault

import "context"

type emptyPageKey struct{}

// WithEmptyPage marks a GetRecords call that has to answer with an empty page.
func WithEmptyPage(ctx context.Context) context.Context {
	return context.WithValue(ctx, emptyPageKey{}, true)
}

// EmptyPage reports whether the call was marked by WithEmptyPage.
func EmptyPage(ctx context.Context) bool {
	marked, _ := ctx.Value(emptyPageKey{}).(bool)
	return marked
}

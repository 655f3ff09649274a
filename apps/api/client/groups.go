package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// AnyGroup changes a group whatever faces it has now.
const AnyGroup = ""

// ListGroups returns a page of the groups of faces that nobody knows, the largest first.
func (c *Client) ListGroups(ctx context.Context, params api.ListGroupsParams) (api.GroupList, error) {
	return call[api.GroupList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListGroups(ctx, &params)
	})
}

// AllGroups returns groups page after page. It ends at the first error.
func (c *Client) AllGroups(ctx context.Context, params api.ListGroupsParams) iter.Seq2[api.Group, error] {
	return func(yield func(api.Group, error) bool) {
		for {
			page, err := c.ListGroups(ctx, params)
			if err != nil {
				yield(api.Group{}, err)
				return
			}
			for _, g := range page.Groups {
				if !yield(g, nil) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			params.After = page.Next
		}
	}
}

// GetGroup returns a group with a page of its faces, as it is stored or, with a
// distance, as it would be at that distance.
func (c *Client) GetGroup(ctx context.Context, key int64, params api.GetGroupParams) (api.GroupDetail, error) {
	return call[api.GroupDetail](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetGroup(ctx, key, &params)
	})
}

// SuggestPeople returns the people whom a group may show, nearest first.
func (c *Client) SuggestPeople(ctx context.Context, key int64) (api.Suggestions, error) {
	return call[api.Suggestions](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.SuggestPeople(ctx, key)
	})
}

// NameGroup says who the faces of a group are, if it still has the version. Otherwise
// the error is an *api.Error with CodeStale.
func (c *Client) NameGroup(ctx context.Context, key int64, version string, who api.GroupName) (api.GroupChange, error) {
	return act[api.GroupChange](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.NameGroup(ctx, key, &api.NameGroupParams{IfMatch: *seen(version)}, who)
	})
}

// IgnoreGroup says that nobody wants to see the faces of a group again, or some of
// them, if it still has the version.
func (c *Client) IgnoreGroup(ctx context.Context, key int64, version string, part api.GroupPart) (api.GroupChange, error) {
	return act[api.GroupChange](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.IgnoreGroup(ctx, key, &api.IgnoreGroupParams{IfMatch: *seen(version)}, part)
	})
}

// DismissGroup says that the faces of a group are none, or some of them, if it still
// has the version.
func (c *Client) DismissGroup(ctx context.Context, key int64, version string, part api.GroupPart) (api.GroupChange, error) {
	return act[api.GroupChange](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.DismissGroup(ctx, key, &api.DismissGroupParams{IfMatch: *seen(version)}, part)
	})
}

// SplitGroup says that a group shows two people, if it still has the version.
func (c *Client) SplitGroup(ctx context.Context, key int64, version string, sides api.GroupSplit) (api.GroupChange, error) {
	return act[api.GroupChange](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.SplitGroup(ctx, key, &api.SplitGroupParams{IfMatch: *seen(version)}, sides)
	})
}

// UndoGroupChange undoes all that was said about a group in one call.
func (c *Client) UndoGroupChange(ctx context.Context, change int64) (api.UndoneGroupChange, error) {
	return act[api.UndoneGroupChange](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.UndoGroupChange(ctx, change)
	})
}

package client

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// AnyVersion changes a person whatever their version is.
const AnyVersion int64 = -1

// ifMatch is the header If-Match for a version of a person.
func ifMatch(version int64) string {
	if version == AnyVersion {
		return "*"
	}
	return strconv.Quote(strconv.FormatInt(version, 10))
}

// CreatePerson adds a person.
func (c *Client) CreatePerson(ctx context.Context, name string) (api.PersonDetail, error) {
	return act[api.PersonDetail](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.CreatePerson(ctx, api.NewPerson{Name: name})
	})
}

// GetPerson returns a person.
func (c *Client) GetPerson(ctx context.Context, id int64) (api.PersonDetail, error) {
	return call[api.PersonDetail](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetPerson(ctx, id)
	})
}

// ListPeople returns a page of people, by id.
func (c *Client) ListPeople(ctx context.Context, params api.ListPeopleParams) (api.PersonList, error) {
	return call[api.PersonList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListPeople(ctx, &params)
	})
}

// AllPeople returns people page after page. It ends at the first error.
func (c *Client) AllPeople(ctx context.Context, params api.ListPeopleParams) iter.Seq2[api.PersonDetail, error] {
	return func(yield func(api.PersonDetail, error) bool) {
		for {
			page, err := c.ListPeople(ctx, params)
			if err != nil {
				yield(api.PersonDetail{}, err)
				return
			}
			for _, p := range page.People {
				if !yield(p, nil) {
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

// ChangePerson renames or hides a person, or chooses another cover, if the person
// still has the version.
func (c *Client) ChangePerson(ctx context.Context, id, version int64, change api.PersonChange) (api.PersonDetail, error) {
	return act[api.PersonDetail](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ChangePerson(ctx, id, &api.ChangePersonParams{IfMatch: ifMatch(version)}, change)
	})
}

// DeletePerson deletes a person who still has the version.
func (c *Client) DeletePerson(ctx context.Context, id, version int64) (api.DeletedPerson, error) {
	return act[api.DeletedPerson](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.DeletePerson(ctx, id, &api.DeletePersonParams{IfMatch: ifMatch(version)})
	})
}

// MergePeople merges another person into one who still has the version.
func (c *Client) MergePeople(ctx context.Context, id, version int64, who api.MergeRequest) (api.MergedPerson, error) {
	return act[api.MergedPerson](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.MergePeople(ctx, id, &api.MergePeopleParams{IfMatch: ifMatch(version)}, who)
	})
}

// Merges returns the merges into a person, newest first.
func (c *Client) Merges(ctx context.Context, person int64) ([]api.Merge, error) {
	answer, err := call[api.MergeList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListMerges(ctx, person)
	})
	return answer.Merges, err
}

// UndoMerge makes two people of one again.
func (c *Client) UndoMerge(ctx context.Context, merge int64) (api.MergedPerson, error) {
	return act[api.MergedPerson](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.UndoMerge(ctx, merge)
	})
}

// KnownPictures returns a page of the pictures by which a person is known.
func (c *Client) KnownPictures(ctx context.Context, person int64, params api.ListKnownPicturesParams) (api.KnownPictureList, error) {
	return call[api.KnownPictureList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListKnownPictures(ctx, person, &params)
	})
}

// AddKnownPicture adds a picture by which a person is known, by the bytes of its
// file. A picture that is refused is an *api.Error with CodePictureRefused and the
// Refusals.
func (c *Client) AddKnownPicture(ctx context.Context, person int64, content []byte, params api.AddKnownPictureParams) (api.AddedKnownPicture, error) {
	return act[api.AddedKnownPicture](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.AddKnownPictureWithBody(ctx, person, &params, "application/octet-stream", bytes.NewReader(content))
	})
}

// AddKnownPictureFrom is AddKnownPicture of a file that is read while it is sent, so it
// cannot be repeated.
func (c *Client) AddKnownPictureFrom(ctx context.Context, person int64, content io.Reader, params api.AddKnownPictureParams) (api.AddedKnownPicture, error) {
	return once[api.AddedKnownPicture](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.raw.AddKnownPictureWithBody(ctx, person, &params, "application/octet-stream", content)
	})
}

// AddKnownFile adds a file that is in KNOWN_PEOPLE already.
func (c *Client) AddKnownFile(ctx context.Context, person int64, path string, params api.AddKnownPictureParams) (api.AddedKnownPicture, error) {
	return act[api.AddedKnownPicture](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.AddKnownPicture(ctx, person, &params, api.KnownPictureChoice{Path: &path})
	})
}

// AddKnownFace adds a face of an image, which is cut out of its picture.
func (c *Client) AddKnownFace(ctx context.Context, person, face int64, params api.AddKnownPictureParams) (api.AddedKnownPicture, error) {
	return act[api.AddedKnownPicture](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.AddKnownPicture(ctx, person, &params, api.KnownPictureChoice{FaceID: &face})
	})
}

// DeleteKnownPicture takes a known picture away from a person.
func (c *Client) DeleteKnownPicture(ctx context.Context, person, picture int64) error {
	_, err := act[nothing](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.DeleteKnownPicture(ctx, person, picture)
	})
	return err
}

// nothing is the body of an answer without one.
type nothing struct{}

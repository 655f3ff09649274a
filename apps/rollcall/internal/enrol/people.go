package enrol

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// directory finds the people of a receiver by name.
type directory struct {
	exact, folded map[string]api.PersonDetail // the oldest of a name
}

func readDirectory(ctx context.Context, c *client.Client) (*directory, error) {
	all, limit := api.ListPeopleParamsHiddenAllPeople, 1000
	d := &directory{exact: map[string]api.PersonDetail{}, folded: map[string]api.PersonDetail{}}
	for p, err := range c.AllPeople(ctx, api.ListPeopleParams{Hidden: &all, Limit: &limit}) {
		if err != nil {
			return nil, fmt.Errorf("list the people who are known already: %w", err)
		}
		d.add(p)
	}
	return d, nil
}

func (d *directory) add(p api.PersonDetail) {
	keep := func(in map[string]api.PersonDetail, key string) {
		if _, there := in[key]; !there {
			in[key] = p
		}
	}
	keep(d.exact, cleanName(p.Name))
	keep(d.folded, foldName(p.Name))
}

// find returns the person of a name, and a note if the name is spelled in another way.
func (d *directory) find(name string) (p api.PersonDetail, note string, ok bool) {
	if p, ok = d.exact[cleanName(name)]; ok {
		return p, "", true
	}
	if p, ok = d.folded[foldName(name)]; ok {
		return p, fmt.Sprintf("taken for %s (person %d), whose name differs in upper and lower case only", p.Name, p.ID), true
	}
	return p, "", false
}

// tries bounds how often a person is created anew whose creation got no answer.
const tries = 5

// create adds a person. A request that got no answer may have worked, and somebody else
// may have added the person meanwhile: so the person is looked for before the next try.
// The look itself waits for a service that is away.
func create(ctx context.Context, c *client.Client, name string) (p api.PersonDetail, err error) {
	all := api.ListPeopleParamsHiddenAllPeople
	for range tries {
		p, err = c.CreatePerson(ctx, name)
		if err == nil || ctx.Err() != nil || isFinal(err) {
			return p, err
		}
		list, listErr := c.ListPeople(ctx, api.ListPeopleParams{Name: &name, Hidden: &all})
		if listErr != nil {
			return p, errors.Join(err, listErr)
		}
		if len(list.People) > 0 {
			return list.People[0], nil
		}
	}
	return p, err
}

// isFinal reports whether the server has refused the person as such.
func isFinal(err error) bool {
	var problem *api.Error
	return errors.As(err, &problem) && problem.Status < http.StatusInternalServerError && problem.Status != http.StatusConflict
}

// knownSums returns which pictures a person has, by the SHA-256 of their content.
func knownSums(ctx context.Context, c *client.Client, p api.PersonDetail) (map[string]int64, error) {
	sums := map[string]int64{}
	limit, params := 1000, api.ListKnownPicturesParams{}
	params.Limit = &limit
	for more := p.KnownPictures > 0; more; more = params.After != nil {
		page, err := c.KnownPictures(ctx, p.ID, params)
		if err != nil {
			return nil, fmt.Errorf("list the known pictures of %s: %w", p.Name, err)
		}
		for _, k := range page.KnownPictures {
			if k.SHA256 != "" {
				sums[k.SHA256] = k.ID
			}
		}
		params.After = page.Next
	}
	return sums, nil
}

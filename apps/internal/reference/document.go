package reference

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
)

// document is the part of an OpenAPI document that the page shows.
type document struct {
	Info struct {
		Title, Version, Summary, Description string
	}
	// ExternalDocs are other pages for readers, such as examples.
	ExternalDocs struct{ Description, URL string }

	Servers    []struct{ URL string }
	Tags       []*tag
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Parameters map[string]parameter
		Responses  map[string]response
		Schemas    map[string]schema
	}
	Schemas []namedSchema `json:"-"` // by name
}

type tag struct {
	Name, Description string
	Operations        []operation `json:"-"` // in the order of their paths
}

type operation struct {
	Method, Path         string `json:"-"`
	OperationID          string
	Tags                 []string
	Summary, Description string
	Deprecated           bool
	Security             []map[string][]string
	Parameters           []parameter
	RequestBody          *struct {
		Required bool
		Content  map[string]media
	}
	Responses map[string]response
}

// Scopes returns the scopes that a key needs, or nothing.
func (o operation) Scopes() string {
	var all []string
	for _, requirement := range o.Security {
		for _, scopes := range requirement {
			all = append(all, scopes...)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

type parameter struct {
	Ref         string `json:"$ref"`
	Name, In    string
	Required    bool
	Description string
	Schema      schema
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Content     map[string]media
}

type media struct {
	Schema  schema
	Example json.RawMessage
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 oneOrMore
	Format, Description  string
	Properties           map[string]schema
	Required             []string
	Items                *schema
	Enum                 []string
	OneOf, AllOf         []schema
	Minimum, Maximum     *json.Number
	MinLength, MaxLength *int
	MinItems, MaxItems   *int
	Default, Example     json.RawMessage
	Order                int `json:"x-order"`
}

// oneOrMore is a JSON string or a list of them.
type oneOrMore []string

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

type namedSchema struct {
	Name   string
	Schema schema
}

func read(text []byte) (*document, error) {
	doc := &document{}
	if err := json.Unmarshal(text, doc); err != nil {
		return nil, err
	}
	if err := doc.addOperations(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		doc.Schemas = append(doc.Schemas, namedSchema{name, doc.Components.Schemas[name]})
	}
	return doc, nil
}

// addOperations sorts the operations into their tags.
func (d *document) addOperations() error {
	base := ""
	if len(d.Servers) > 0 {
		base = strings.TrimSuffix(d.Servers[0].URL, "/")
	}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		item := d.Paths[path]
		var shared []parameter
		if text, ok := item["parameters"]; ok {
			if err := json.Unmarshal(text, &shared); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			text, ok := item[method]
			if !ok {
				continue
			}
			o := operation{Method: strings.ToUpper(method), Path: base + path}
			if err := json.Unmarshal(text, &o); err != nil {
				return fmt.Errorf("%s %s: %w", o.Method, path, err)
			}
			o.Parameters = slices.Concat(shared, o.Parameters)
			if err := d.resolve(&o); err != nil {
				return fmt.Errorf("%s %s: %w", o.Method, path, err)
			}
			if err := d.file(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve replaces references to parameters and responses by what they mean.
func (d *document) resolve(o *operation) error {
	for i, p := range o.Parameters {
		if p.Ref == "" {
			continue
		}
		known, ok := d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
		if !ok {
			return fmt.Errorf("there is no parameter %s", p.Ref)
		}
		o.Parameters[i] = known
	}
	for status, r := range o.Responses {
		if r.Ref == "" {
			continue
		}
		known, ok := d.Components.Responses[strings.TrimPrefix(r.Ref, "#/components/responses/")]
		if !ok {
			return fmt.Errorf("there is no response %s", r.Ref)
		}
		o.Responses[status] = known
	}
	return nil
}

func (d *document) file(o operation) error {
	for _, t := range d.Tags {
		if slices.Contains(o.Tags, t.Name) {
			t.Operations = append(t.Operations, o)
			return nil
		}
	}
	return fmt.Errorf("%s %s has no tag of the document", o.Method, o.Path)
}

// schemaName returns the name of the schema that a reference means.
func schemaName(ref string) string { return strings.TrimPrefix(ref, "#/components/schemas/") }

// typeOf describes a type in a few words, with links to schemas.
func (d *document) typeOf(s schema) (template.HTML, error) {
	switch {
	case s.Ref != "":
		name := schemaName(s.Ref)
		if _, ok := d.Components.Schemas[name]; !ok {
			return "", fmt.Errorf("there is no schema %s", s.Ref)
		}
		name = template.HTMLEscapeString(name)
		return template.HTML(`<a href="#schema-` + name + `">` + name + `</a>`), nil //nolint:gosec // the name is escaped
	case len(s.OneOf) > 0:
		return d.join(s.OneOf, " or ")
	case len(s.AllOf) > 0:
		return d.join(s.AllOf, " and ")
	case s.Items != nil:
		item, err := d.typeOf(*s.Items)
		return "list of " + item, err
	default:
		text := strings.Join(s.Type, " or ")
		if s.Format != "" {
			text += " (" + s.Format + ")"
		}
		return template.HTML(template.HTMLEscapeString(text)), nil //nolint:gosec // it is escaped
	}
}

func (d *document) join(list []schema, by string) (template.HTML, error) {
	var all []string
	for _, s := range list {
		text, err := d.typeOf(s)
		if err != nil {
			return "", err
		}
		all = append(all, string(text))
	}
	return template.HTML(strings.Join(all, by)), nil //nolint:gosec // typeOf escapes
}

// property is a row of a schema's table.
type property struct {
	Name     string
	Required bool
	Schema   schema
}

// propertiesOf returns the properties of a schema in the order of the document,
// with those of the schemas that it is made of.
func (d *document) propertiesOf(s schema) []property {
	var list []property
	for name, p := range s.Properties {
		list = append(list, property{name, slices.Contains(s.Required, name), p})
	}
	slices.SortFunc(list, func(a, b property) int {
		return cmp.Or(cmp.Compare(a.Schema.Order, b.Schema.Order), cmp.Compare(a.Name, b.Name))
	})
	var parts []property
	for _, part := range s.AllOf {
		if part.Ref == "" {
			parts = append(parts, d.propertiesOf(part)...)
		}
	}
	return append(parts, list...)
}

// limits returns what a value must keep to, in words.
func limits(s schema) string {
	var words []string
	add := func(format string, value any) { words = append(words, fmt.Sprintf(format, value)) }
	if len(s.Enum) > 0 {
		add("one of %s", strings.Join(s.Enum, ", "))
	}
	if s.Minimum != nil {
		add("at least %s", *s.Minimum)
	}
	if s.Maximum != nil {
		add("at most %s", *s.Maximum)
	}
	if s.MinLength != nil && *s.MinLength > 0 {
		words = append(words, "not empty")
	}
	if s.MaxLength != nil {
		add("at most %d characters", *s.MaxLength)
	}
	if s.MaxItems != nil {
		add("at most %d entries", *s.MaxItems)
	}
	if len(s.Default) > 0 {
		add("default %s", string(s.Default))
	}
	return strings.Join(words, "; ")
}

// indented returns JSON with indentation, for an example.
func indented(text json.RawMessage) (string, error) {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return "", err
	}
	pretty, err := json.MarshalIndent(v, "", "  ")
	return string(pretty), err
}

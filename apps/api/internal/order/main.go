// Command order writes an OpenAPI document in YAML as JSON. Objects keep the
// order of their keys, and each property of a schema gets an x-order, so that
// generated Go structs, and the JSON that they marshal to, keep the order too. The
// second file that it writes, for the code generator, has no parameter
// Idempotency-Key: package client sends that header for all operations alike.
//
// Usage: order openapi.yaml openapi.json for-the-generator.json
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: order openapi.yaml openapi.json for-the-generator.json")
		os.Exit(2)
	}
	if err := convert(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "order:", err)
		os.Exit(1)
	}
}

func convert(from, to, generator string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("read %s: %w", from, err)
	}
	numberProperties(&doc)
	if err := writeFile(to, &doc); err != nil {
		return err
	}
	removeParameter(&doc, "IdempotencyKey")
	return writeFile(generator, &doc)
}

func writeFile(name string, doc *yaml.Node) error {
	var out, pretty bytes.Buffer
	if err := write(&out, doc); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := json.Indent(&pretty, out.Bytes(), "", " "); err != nil {
		return err
	}
	pretty.WriteByte('\n')
	return os.WriteFile(name, pretty.Bytes(), 0o644)
}

// removeParameter removes a component of parameters and what refers to it.
func removeParameter(n *yaml.Node, name string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				n.Content = slices.Delete(n.Content, i, i+2)
				break
			}
		}
	case yaml.SequenceNode:
		n.Content = slices.DeleteFunc(n.Content, func(entry *yaml.Node) bool {
			return len(entry.Content) == 2 && entry.Content[0].Value == "$ref" && entry.Content[1].Value == "#/components/parameters/"+name
		})
	}
	for _, child := range n.Content {
		removeParameter(child, name)
	}
}

// numberProperties adds an x-order to each property of each schema below n.
func numberProperties(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			if n.Content[i].Value == "properties" {
				number(n.Content[i+1])
			}
		}
	}
	for _, child := range n.Content {
		numberProperties(child)
	}
}

func number(properties *yaml.Node) {
	for i := 1; i < len(properties.Content); i += 2 {
		property := properties.Content[i]
		property.Content = append(property.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "x-order"},
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(i/2 + 1)})
	}
}

// write appends n as JSON.
func write(out *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return write(out, n.Content[0])
	case yaml.MappingNode:
		return writeList(out, '{', '}', len(n.Content)/2, func(i int) error {
			if err := writeScalar(out, n.Content[2*i].Value); err != nil {
				return err
			}
			out.WriteByte(':')
			return write(out, n.Content[2*i+1])
		})
	case yaml.SequenceNode:
		return writeList(out, '[', ']', len(n.Content), func(i int) error { return write(out, n.Content[i]) })
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		return writeScalar(out, v)
	default:
		return fmt.Errorf("line %d: aliases are not supported; write the value out", n.Line)
	}
}

func writeList(out *bytes.Buffer, open, end byte, n int, item func(i int) error) error {
	out.WriteByte(open)
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := item(i); err != nil {
			return err
		}
	}
	out.WriteByte(end)
	return nil
}

func writeScalar(out *bytes.Buffer, v any) error {
	text, err := json.Marshal(v)
	out.Write(text)
	return err
}

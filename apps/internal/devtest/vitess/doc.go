// Package vitess shows how the store's statements would run on Vitess. It has no code of its own:
// its test hands each statement that the store sends to vtexplain, which plans it as vtgate does
// and says which shards it reaches. docs/vitess.md has the result.
//
// It is a Go module of its own, because Vitess has several hundred dependencies. vtexplain is
// Vitess's own program for the question; nothing else has its planner.
package vitess

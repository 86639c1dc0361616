package ir

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Version of the kernel ABI that this package implements. The major version
// must match between host and plugin; a minor version only adds.
const (
	ABIMajor = 1
	ABIMinor = 0
)

// Program is a set of functions compiled together. Function names are unique.
type Program struct {
	Funcs []*Func
}

// Func is a function in static single assignment form. Values are numbered
// densely: the parameters first, then the results of each op in order.
type Func struct {
	Name    string
	Params  []Param
	Ops     []Op
	Results []Result
}

// Param is a named input of a function.
type Param struct {
	Name string
	Type Type
}

// Result is a named output of a function.
type Result struct {
	Name  string
	Value Value
}

// Value is the number of a value within its function.
type Value int32

// NoValue stands for an absent value, such as a gradient that is zero.
const NoValue Value = -1

// Op applies one op of the table to values defined before it.
type Op struct {
	Name     string
	Version  int
	Operands []Value
	Attrs    Attrs
	// Regions are the functions that the op runs, such as the body of a loop.
	// They see nothing but their parameters.
	Regions []*Func
	Results []Type
	// First is the number of the first result; the others follow it.
	First Value
}

// Result returns the i-th result of the op.
func (o *Op) Result(i int) Value { return o.First + Value(i) }

// Func returns the function called name, or nil.
func (p *Program) Func(name string) *Func {
	for _, f := range p.Funcs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Hash returns the hex SHA-256 of the program's canonical bytes. Programs
// with equal hashes have the same functions, ops, attributes and names.
func (p *Program) Hash() string {
	h := sha256.Sum256(p.CanonicalBytes())
	return hex.EncodeToString(h[:])
}

// CanonicalBytes returns the one byte string that stands for the program: its
// text form. It depends on nothing but the program, in any language.
func (p *Program) CanonicalBytes() []byte { return []byte(p.String()) }

// NumValues returns the number of values of the function.
func (f *Func) NumValues() int {
	n := len(f.Params)
	for i := range f.Ops {
		n += len(f.Ops[i].Results)
	}
	return n
}

// Types returns the type of every value, indexed by its number.
func (f *Func) Types() []Type {
	ts := make([]Type, 0, f.NumValues())
	for _, p := range f.Params {
		ts = append(ts, p.Type)
	}
	for i := range f.Ops {
		ts = append(ts, f.Ops[i].Results...)
	}
	return ts
}

// Param returns the index of the parameter called name, or -1.
func (f *Func) Param(name string) int {
	for i, p := range f.Params {
		if p.Name == name {
			return i
		}
	}
	return -1
}

// Result returns the index of the result called name, or -1.
func (f *Func) Result(name string) int {
	for i, r := range f.Results {
		if r.Name == name {
			return i
		}
	}
	return -1
}

// Error is a verification error: where in a program it is, and what is wrong.
type Error struct {
	Func string // function name
	Op   int    // index of the op in the function, or -1
	Name string // op name, where Op >= 0
	Msg  string
}

// Error returns "func f: op 3 (add): message".
func (e *Error) Error() string {
	s := "program"
	if e.Func != "" {
		s = "func " + e.Func
	}
	if e.Op >= 0 {
		s += fmt.Sprintf(": op %d (%s)", e.Op, e.Name)
	}
	return s + ": " + e.Msg
}

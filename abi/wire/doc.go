// Package wire converts between package abi/ir and the protobuf messages of
// abi/v1, and checks messages from the other side of a process boundary.
//
// It is strict: protobuf keeps unknown fields and unknown enum values silently,
// so that a program of a newer ABI would lose its meaning without a word;
// here each of them is an error that names it. Start reading at check.go for
// what holds of every message, at program.go for programs.
//
// The package imports abi/ir, abi/v1 and the protobuf runtime.
package wire

// The generated code is made at the repository root by the pinned buf:
//go:generate go -C ../.. tool -modfile=tools/buf/go.mod buf generate --config tools/buf/buf.yaml --template tools/buf/buf.gen.yaml .

// Package replay has no code of its own: its test replays the corpus, which is
// what an older host could have sent. Serialized programs (abi/v1) and Arrow
// batches are decoded, verified and run on the reference and the cpu backend;
// what comes out has the hashes that are written down beside them.
//
// The folder 1 belongs to ABI 1 as it is before its first release, and is
// written anew, until then, by
//
//	go test ./conformance/replay -update
//
// A release freezes it, and the next minor version gets a folder of its own
// (docs/plugins/stability.md). Start reading at replay_test.go.
package replay

// Package conformance is the suite that every backend, objective and model
// passes, and that anyone can run: as a Go test with RunBackend, or with the
// command host conformance. What it holds a backend to is not a tolerance but
// the bits of the reference, and what a whole run prints is a receipt: one hash
// over every result, the same on any machine for any conforming backend.
//
//	func TestMyBackend(t *testing.T) {
//		target := backend.InProcess(func(threads int) (plugin.Backend, error) { return mine.New(threads) })
//		conformance.RunBackend(t, target, conformance.Options{Profile: "core"})
//	}
//
// Cases are generated from the op table (conformance/cases). The receipts of
// this version are committed in receipts; after a change of the op table,
//
//	go test ./conformance -run TestReference -receipts smoke,core,full
//
// writes them anew. The package's own tests also hold the checks that cross
// package borders, such as the direction of dependencies.
//
// It may import every package but cmd. Start reading at RunBackend.
package conformance

// Package record carries Arrow record batches and batches of tensors across
// the process boundary: as buffers in shared memory or as an Arrow IPC stream
// (https://arrow.apache.org/docs/format/Columnar.html). Both ways end in one
// place, Build, which checks whatever comes from outside before it is used:
// lengths, numbers of nulls, and offsets of arrays of variable size.
//
// It imports abi/ir and Arrow. Start reading at build.go.
package record

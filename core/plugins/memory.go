package plugins

import (
	"fmt"

	"github.com/seedbed/seedbed/abi/ir"
)

// DataPlane says how tensors travel between the processes of a run. It never
// changes a bit of them.
type DataPlane string

// The data planes.
const (
	PlaneAuto   DataPlane = "auto"   // memory where the system has memory files, else grpc
	PlaneMemory DataPlane = "memory" // in memory that the processes share
	PlaneGRPC   DataPlane = "grpc"   // in messages
)

// Memory is the memory that the processes of a run share.
type Memory struct{}

// NewMemory returns the memory of a run. It is an error if plane is memory and
// the system has none to share, or is none of the data planes.
func NewMemory(plane DataPlane) (*Memory, error) {
	switch plane {
	case PlaneAuto, PlaneGRPC:
		return &Memory{}, nil
	}
	return nil, fmt.Errorf("data plane %q is not available here", plane)
}

// Plane says how tensors travel: PlaneMemory or PlaneGRPC.
func (m *Memory) Plane() DataPlane { return PlaneGRPC }

// NewFields returns a buffer for each field of a batch, on a boundary of 64
// bytes, where an objective can write it and a backend can read it in place.
// Where that is not to be had they are the host's own, and are copied. They
// are zero or hold what was there before, and must not be used after release.
func (m *Memory) NewFields(fields []ir.Param) (buffers [][]byte, release func()) {
	buffers = make([][]byte, len(fields))
	for i, f := range fields {
		buffers[i] = make([]byte, f.Type.Bytes())
	}
	return buffers, func() {}
}

// Close gives the memory back. No buffer of it, and no plugin that was started
// with it, is used after it.
func (m *Memory) Close() error { return nil }

package wire

import (
	"testing"

	"google.golang.org/protobuf/proto"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every op of the table survives the wire and the text, regions and all.
func TestExamplesRoundTrip(t *testing.T) {
	examples, err := ir.Examples()
	require.NoError(t, err)
	for name, e := range examples {
		p := &ir.Program{Funcs: []*ir.Func{e.Func}}
		m, err := ToProto(p)
		require.NoError(t, err, name)
		data, err := proto.Marshal(m)
		require.NoError(t, err, name)
		back := &abiv1.Program{}
		require.NoError(t, proto.Unmarshal(data, back), name)
		q, err := FromProto(back)
		require.NoError(t, err, name)
		assert.Equal(t, p.Hash(), q.Hash(), name)
		q, err = ir.Parse(p.String())
		require.NoError(t, err, name)
		assert.Equal(t, p.Hash(), q.Hash(), name)
	}
}

// Regions within regions end at the depth that package ir allows.
func TestRegionsTooDeep(t *testing.T) {
	f := &abiv1.Func{Name: "f"}
	for range 2 * ir.MaxDepth {
		f = &abiv1.Func{Name: "f", Ops: []*abiv1.Op{{Name: "call", Version: 1, Regions: []*abiv1.Func{f}}}}
	}
	_, err := FromProto(&abiv1.Program{AbiMajor: ir.ABIMajor, Funcs: []*abiv1.Func{f}})
	assert.ErrorContains(t, err, "regions, 9 deep")
}

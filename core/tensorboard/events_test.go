package tensorboard

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// unframe reads a record as TensorFlow's reader does.
func unframe(t *testing.T, b []byte) []byte {
	check := func(data []byte, sum uint32) {
		rotated := sum - 0xa282ead8
		assert.Equal(t, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)), rotated>>17|rotated<<15)
	}
	require.Greater(t, len(b), 16)
	n := binary.LittleEndian.Uint64(b)
	require.Len(t, b, int(n)+16)
	check(b[:8], binary.LittleEndian.Uint32(b[8:]))
	check(b[12:12+n], binary.LittleEndian.Uint32(b[12+n:]))
	return b[12 : 12+n]
}

func TestRecords(t *testing.T) {
	// The checksum of RFC 3720, B.4, masked.
	assert.Equal(t, uint32(0x8a9136aa), crc32.Checksum(make([]byte, 32), castagnoli))
	sum := uint32(0x8a9136aa)
	assert.Equal(t, (sum>>15|sum<<17)+0xa282ead8, masked(make([]byte, 32)))

	head := unframe(t, Header(1.5))
	assert.Equal(t, "09"+"000000000000f83f"+"1a0d"+hex.EncodeToString([]byte("brain.Event:2")), hex.EncodeToString(head))

	event := unframe(t, Scalars(2, 300, []Scalar{{"a", 0.5}, {"train/loss", -2}}))
	assert.Equal(t, "09"+"0000000000000040"+"10ac02"+"2a1d"+
		"0a08"+"0a0161"+"150000003f"+
		"0a11"+"0a0a"+hex.EncodeToString([]byte("train/loss"))+"15000000c0", hex.EncodeToString(event))
	for len(event) > 0 { // nothing is left over
		_, _, n := protowire.ConsumeField(event)
		require.Positive(t, n)
		event = event[n:]
	}
}

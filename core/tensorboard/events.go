package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of tensorflow/core/util/event.proto and framework/summary.proto.
const (
	eventWallTime    = 1 // double, seconds since 1970
	eventStep        = 2 // int64
	eventFileVersion = 3 // string, in the first event of a file
	eventSummary     = 5
	summaryValue     = 1 // repeated
	valueTag         = 1 // string
	valueSimple      = 2 // float
)

// Scalar is a number with a name, such as "train/loss".
type Scalar struct {
	Tag   string
	Value float64 // kept as f32
}

// Header returns the record that an event file begins with.
func Header(wallTime float64) []byte {
	b := begin(wallTime)
	b = protowire.AppendTag(b, eventFileVersion, protowire.BytesType)
	return record(protowire.AppendString(b, "brain.Event:2"))
}

// Scalars returns the record of an event: what scalars are at a step. wallTime
// is in seconds since 1970.
func Scalars(wallTime float64, step uint64, scalars []Scalar) []byte {
	var summary []byte
	for _, s := range scalars {
		var v []byte
		v = protowire.AppendTag(v, valueTag, protowire.BytesType)
		v = protowire.AppendString(v, s.Tag)
		v = protowire.AppendTag(v, valueSimple, protowire.Fixed32Type)
		v = protowire.AppendFixed32(v, math.Float32bits(float32(s.Value)))
		summary = protowire.AppendTag(summary, summaryValue, protowire.BytesType)
		summary = protowire.AppendBytes(summary, v)
	}
	b := begin(wallTime)
	b = protowire.AppendTag(b, eventStep, protowire.VarintType)
	b = protowire.AppendVarint(b, step)
	b = protowire.AppendTag(b, eventSummary, protowire.BytesType)
	return record(protowire.AppendBytes(b, summary))
}

func begin(wallTime float64) []byte {
	b := protowire.AppendTag(nil, eventWallTime, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, math.Float64bits(wallTime))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum of TFRecord: CRC-32C, rotated and moved so that that of
// data which holds checksums is not weak.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// record frames a message: its length, u64, the length's checksum, the message,
// its checksum.
func record(message []byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint64(nil, uint64(len(message)))
	b = le.AppendUint32(b, masked(b))
	b = append(b, message...)
	return le.AppendUint32(b, masked(message))
}

package plugins

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/record"
	"github.com/seedbed/seedbed/abi/wire"
)

// unknown puts a field that nobody knows into a message.
func unknown[M proto.Message](m M) M {
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
	return m
}

// A backend refuses what breaks the rules of Execute, by name, and goes on.
func TestBackendRefuses(t *testing.T) {
	memory := planes(t)["memory"]
	p := start(t, "backend", Options{Memory: memory})
	ctx := context.Background()
	client := abiv1.NewBackendClient(p.conn)
	program, err := wire.ToProto(&ir.Program{Funcs: []*ir.Func{function(t, "f", 1), function(t, "big", 1<<15)}})
	require.NoError(t, err)
	compile := &abiv1.CompileRequest{Executable: 1, Program: program, Profile: abiv1.Profile_PROFILE_EXACT}
	_, err = client.Compile(ctx, compile)
	require.NoError(t, err)
	upload := func(ms ...*abiv1.UploadRequest) error {
		s, err := client.Upload(ctx)
		require.NoError(t, err)
		for _, m := range ms {
			if s.Send(m) != nil {
				break
			}
		}
		_, err = s.CloseAndRecv()
		return err
	}
	f32 := &abiv1.TensorType{Dtype: abiv1.DType_DTYPE_F32, Shape: []uint64{1}}
	header := func(n uint64) *abiv1.UploadRequest {
		return &abiv1.UploadRequest{Part: &abiv1.UploadRequest_Header{Header: &abiv1.UploadHeader{Buffer: n, Type: f32}}}
	}
	chunk := func(n int) *abiv1.UploadRequest {
		return &abiv1.UploadRequest{Part: &abiv1.UploadRequest_Chunk{Chunk: make([]byte, n)}}
	}
	require.NoError(t, upload(header(5), chunk(1), chunk(3)))
	refused := func(err error, code codes.Code, says string) {
		t.Helper()
		assert.Equal(t, code, status.Code(err), "%v", err)
		assert.ErrorContains(t, err, says)
	}
	refused(upload(header(5), chunk(4)), codes.InvalidArgument, "buffer number 5 is in use")
	refused(upload(header(0), chunk(4)), codes.InvalidArgument, "is not between 1 and")
	refused(upload(header(1<<63), chunk(4)), codes.InvalidArgument, "is not between 1 and")
	refused(upload(chunk(4)), codes.InvalidArgument, "does not begin with a header")
	refused(upload(header(6), header(6)), codes.InvalidArgument, "a second header")
	refused(upload(header(6), chunk(3)), codes.InvalidArgument, "3 bytes, f32[1] takes 4")
	refused(upload(header(6), chunk(5)), codes.InvalidArgument, "more than the 4 bytes")
	refused(upload(header(6), chunk(wire.MaxChunk+1)), codes.InvalidArgument, "not 1 to")
	refused(upload(header(6), &abiv1.UploadRequest{Part: &abiv1.UploadRequest_Slot{Slot: &abiv1.Slot{Segment: 9, Offsets: []uint64{0}, Lengths: []uint64{4}}}}), codes.InvalidArgument, "there is no segment 9")
	refused(upload(unknown(header(6)), chunk(4)), codes.InvalidArgument, "unknown field 999")

	_, err = client.Compile(ctx, compile)
	refused(err, codes.InvalidArgument, "executable number 1 is in use")
	other := proto.Clone(program).(*abiv1.Program)
	other.Funcs[0].Ops[0].Name = "telepathy"
	_, err = client.Compile(ctx, &abiv1.CompileRequest{Executable: 2, Program: other, Profile: abiv1.Profile_PROFILE_EXACT})
	refused(err, codes.InvalidArgument, "telepathy")
	other = proto.Clone(program).(*abiv1.Program)
	other.MinMinor = ir.ABIMinor + 1
	_, err = client.Compile(ctx, &abiv1.CompileRequest{Executable: 2, Program: other, Profile: abiv1.Profile_PROFILE_EXACT})
	refused(err, codes.FailedPrecondition, "needs ABI 1.1")
	_, err = client.Compile(ctx, &abiv1.CompileRequest{Executable: 2, Program: program})
	refused(err, codes.InvalidArgument, "the profile is missing")
	_, err = client.Stats(ctx, unknown(&abiv1.StatsRequest{}))
	refused(err, codes.InvalidArgument, "stats request: unknown field 999")
	_, err = client.Stats(ctx, &abiv1.StatsRequest{MinMinor: 7})
	refused(err, codes.FailedPrecondition, "needs ABI 1.7, this side speaks 1.0")
	_, err = client.Release(ctx, &abiv1.ReleaseRequest{Buffers: []uint64{5, 77}})
	refused(err, codes.NotFound, "there is no buffer 77")
	_, err = client.Release(ctx, &abiv1.ReleaseRequest{Buffers: []uint64{5, 5}})
	refused(err, codes.InvalidArgument, "named twice")
	_, err = client.Release(ctx, &abiv1.ReleaseRequest{Buffers: make([]uint64, wire.MaxRelease+1)})
	refused(err, codes.InvalidArgument, "at most")

	// What follows is refused only if the buffer is still there.
	in := func(n uint64, donate bool) *abiv1.ExecuteInput {
		return &abiv1.ExecuteInput{Source: &abiv1.ExecuteInput_Buffer{Buffer: n}, Donate: donate}
	}
	bytes := func(n int) *abiv1.ExecuteInput {
		return &abiv1.ExecuteInput{Source: &abiv1.ExecuteInput_Inline{Inline: make([]byte, n)}}
	}
	out := func(n uint64) *abiv1.ExecuteOutput {
		return &abiv1.ExecuteOutput{Target: &abiv1.ExecuteOutput_Buffer{Buffer: n}}
	}
	inline := &abiv1.ExecuteOutput{Target: &abiv1.ExecuteOutput_Inline_{Inline: &abiv1.ExecuteOutput_Inline{}}}
	field := func(f *abiv1.BatchField) *abiv1.ExecuteInput {
		return &abiv1.ExecuteInput{Source: &abiv1.ExecuteInput_BatchField{BatchField: f}}
	}
	request := func(change func(m *abiv1.ExecuteRequest)) *abiv1.ExecuteRequest {
		m := &abiv1.ExecuteRequest{Executable: 1, Function: "f", Inputs: []*abiv1.ExecuteInput{in(5, false), bytes(4)}, Outputs: []*abiv1.ExecuteOutput{inline, inline}}
		change(m)
		return m
	}
	for says, change := range map[string]func(m *abiv1.ExecuteRequest){
		"request 1 follows request -1":       func(m *abiv1.ExecuteRequest) { m.Sequence = 1 },
		"there is no executable 8":           func(m *abiv1.ExecuteRequest) { m.Executable = 8 },
		`no function "g"`:                    func(m *abiv1.ExecuteRequest) { m.Function = "g" },
		"takes 2 inputs, is given 1":         func(m *abiv1.ExecuteRequest) { m.Inputs = m.Inputs[:1] },
		"returns 2 results, 1 outputs":       func(m *abiv1.ExecuteRequest) { m.Outputs = m.Outputs[:1] },
		"there is no buffer 6":               func(m *abiv1.ExecuteRequest) { m.Inputs[0] = in(6, false) },
		"8 bytes, f32[1] takes 4":            func(m *abiv1.ExecuteRequest) { m.Inputs[0] = bytes(8) },
		`input 1 ("y"): is missing`:          func(m *abiv1.ExecuteRequest) { m.Inputs[1] = &abiv1.ExecuteInput{} },
		"is donated and an input 2 times":    func(m *abiv1.ExecuteRequest) { m.Inputs = []*abiv1.ExecuteInput{in(5, true), in(5, false)} },
		"only a buffer can be donated":       func(m *abiv1.ExecuteRequest) { m.Inputs[1].Donate = true },
		"buffer number 5 is in use":          func(m *abiv1.ExecuteRequest) { m.Outputs[0] = out(5) },
		"buffer number 7 is used twice":      func(m *abiv1.ExecuteRequest) { m.Outputs = []*abiv1.ExecuteOutput{out(7), out(7)} },
		"output 1 is missing":                func(m *abiv1.ExecuteRequest) { m.Outputs[1] = &abiv1.ExecuteOutput{} },
		"buffer 5 is f32[1], the parameter":  func(m *abiv1.ExecuteRequest) { m.Function = "big" },
		"there is no segment 4":              func(m *abiv1.ExecuteRequest) { m.Inputs[1] = field(&abiv1.BatchField{Segment: 4, Length: 4}) },
		"execute request: unknown field 999": func(m *abiv1.ExecuteRequest) { unknown(m) },
		"inputs[0]: unknown field 999":       func(m *abiv1.ExecuteRequest) { unknown(m.Inputs[0]) },
		"the execute request needs ABI 1.1":  func(m *abiv1.ExecuteRequest) { m.MinMinor = 1 },
		"65540 bytes inline are more than":   func(m *abiv1.ExecuteRequest) { m.Inputs[0] = bytes(65540) },
		"more than the 65536 that come inline": func(m *abiv1.ExecuteRequest) {
			m.Function = "big"
			s := memory.take(1 << 17)
			defer s.give()
			b := field(&abiv1.BatchField{Segment: memory.segment.ID, Slot: uint32(s.number), Length: 1 << 17})
			m.Inputs = []*abiv1.ExecuteInput{b, b}
		},
		"has no slot 4000000000": func(m *abiv1.ExecuteRequest) {
			m.Inputs[1] = field(&abiv1.BatchField{Segment: memory.segment.ID, Slot: 4_000_000_000, Length: 4})
		},
		"not at a multiple of 64": func(m *abiv1.ExecuteRequest) {
			m.Inputs[1] = field(&abiv1.BatchField{Segment: memory.segment.ID, Offset: 4, Length: 4})
		},
		"ends outside its slot": func(m *abiv1.ExecuteRequest) {
			m.Inputs[1] = field(&abiv1.BatchField{Segment: memory.segment.ID, Offset: slotBytes - 64, Length: 65})
		},
		"a region of 4 bytes from byte 18446744073709551552": func(m *abiv1.ExecuteRequest) {
			m.Inputs[1] = field(&abiv1.BatchField{Segment: memory.segment.ID, Offset: 1<<64 - 64, Length: 4})
		},
	} {
		if memory == nil && (says == "has no slot 4000000000" || says == "not at a multiple of 64") {
			continue
		}
		s, err := client.Execute(ctx)
		require.NoError(t, err)
		_ = s.Send(request(change))
		_, err = s.Recv()
		assert.ErrorContains(t, err, says)
	}
	s, err := client.Execute(ctx)
	require.NoError(t, err)
	require.NoError(t, s.Send(request(func(*abiv1.ExecuteRequest) {})))
	m, err := s.Recv()
	require.NoError(t, err, "buffer 5 was left alone")
	assert.Len(t, m.InlineResults, 2)
	require.NoError(t, s.CloseSend())
	_, err = s.Recv()
	assert.ErrorIs(t, err, io.EOF)

	download := func(m *abiv1.DownloadRequest) error {
		s, err := client.Download(ctx, m)
		require.NoError(t, err)
		for err == nil {
			_, err = s.Recv()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	require.NoError(t, download(&abiv1.DownloadRequest{Buffer: 5}))
	refused(download(&abiv1.DownloadRequest{Buffer: 6}), codes.NotFound, "there is no buffer 6")
	if memory != nil {
		slot := &abiv1.Slot{Segment: memory.segment.ID, Offsets: []uint64{0}, Lengths: []uint64{8}}
		refused(download(&abiv1.DownloadRequest{Buffer: 5, Into: slot}), codes.InvalidArgument, "a region of 8 bytes, f32[1] takes 4")
	}
}

// An objective refuses requests that break the rules.
func TestObjectiveRefuses(t *testing.T) {
	p := start(t, "objective", Options{Memory: planes(t)["memory"]})
	ctx := context.Background()
	client := abiv1.NewObjectiveClient(p.conn)
	rows := records(t)["all"]
	bind(t, p, rows.Schema())
	stream, err := record.EncodeRows(rows)
	require.NoError(t, err)
	for says, m := range map[string]*abiv1.TransformRequest{
		"there is no binding 3":      {Binding: 3, Rows: &abiv1.TransformRequest_ArrowRows{ArrowRows: stream}},
		"rows: missing":              {},
		"does not begin with":        {Rows: &abiv1.TransformRequest_ArrowRows{ArrowRows: []byte("hello, world")}},
		"there is no segment 5":      {Rows: &abiv1.TransformRequest_SlotRows{SlotRows: &abiv1.SlotRows{Slot: &abiv1.Slot{Segment: 5, Offsets: []uint64{0}, Lengths: []uint64{1}}}}},
		"the slot is missing":        {Rows: &abiv1.TransformRequest_SlotRows{SlotRows: &abiv1.SlotRows{}}},
		"1 offsets and 0 lengths":    {Rows: &abiv1.TransformRequest_SlotRows{SlotRows: &abiv1.SlotRows{Slot: &abiv1.Slot{Segment: 1, Offsets: []uint64{0}}}}},
		"into: 0 regions for 4":      {Rows: &abiv1.TransformRequest_ArrowRows{ArrowRows: stream}, Into: &abiv1.Slot{Segment: 1}},
		"regions 0 and 1 overlap":    {Rows: &abiv1.TransformRequest_ArrowRows{ArrowRows: stream}, Into: &abiv1.Slot{Segment: 1, Offsets: []uint64{0, 0}, Lengths: []uint64{1, 1}}},
		"transform request: unknown": unknown(&abiv1.TransformRequest{}),
	} {
		if p.memory == nil && m.GetInto() != nil {
			continue
		}
		s, err := client.Transform(ctx)
		require.NoError(t, err)
		_ = s.Send(m)
		_, err = s.Recv()
		assert.ErrorContains(t, err, says)
	}
	_, err = client.Bind(ctx, &abiv1.BindRequest{Binding: 64})
	assert.ErrorContains(t, err, "binding 64 is not below 64")
	_, err = client.Bind(ctx, &abiv1.BindRequest{Role: "scale", RowSchema: []byte("schema")})
	assert.ErrorContains(t, err, "row_schema")
	_, err = client.Bind(ctx, &abiv1.BindRequest{Role: "scale", Dims: map[string]uint64{"batch": 1 << 40}})
	assert.ErrorContains(t, err, `"batch" is 1099511627776`)
	_, err = client.Bind(ctx, &abiv1.BindRequest{Role: "no role"})
	assert.ErrorContains(t, err, "printable ASCII")
}

func TestQueueRefusesWhatTheCallerGotWrong(t *testing.T) {
	ctx := context.Background()
	d, other := start(t, "backend", Options{}).Device(), start(t, "backend", Options{}).Device()
	x, err := d.Upload(ctx, ir.T(ir.F32, 1), make([]byte, 4))
	require.NoError(t, err)
	y, err := other.Upload(ctx, ir.T(ir.F32, 1), make([]byte, 4))
	require.NoError(t, err)
	wide, err := d.Upload(ctx, ir.T(ir.F32, 2), make([]byte, 8))
	require.NoError(t, err)
	old, err := d.Upload(ctx, ir.T(ir.F32, 1), make([]byte, 4))
	require.NoError(t, err)
	old.Release()
	old.Release()
	f, err := d.Compile(ctx, function(t, "f", 1), nil)
	require.NoError(t, err)
	for says, args := range map[string][]plugin.Argument{
		"takes 2 arguments, is given 1":   {{Buffer: x}},
		"is a buffer of another device":   {{Buffer: x}, {Buffer: y}},
		`"y" is f32[2], the parameter`:    {{Buffer: x}, {Buffer: wide}},
		`"x" was released or donated`:     {{Buffer: old}, {Buffer: x}},
		`"x" is donated and used 2 times`: {{Buffer: x, Donate: true}, {Buffer: x}},
		`"y" has 3 bytes, f32[1] takes 4`: {{Buffer: x}, {Data: make([]byte, 3)}},
	} {
		_, err := f.Queue(ctx, args)
		assert.ErrorContains(t, err, says)
	}
	_, err = d.Compile(ctx, function(t, "refused", 1), nil)
	assert.EqualError(t, err, "plugin test_backend: Compile: func refused is refused")
	_, err = d.Compile(ctx, function(t, "f", 1), []string{"product"})
	assert.ErrorContains(t, err, `no result "product"`)
	r, err := f.Queue(ctx, []plugin.Argument{{Buffer: x}, {Buffer: x}})
	require.NoError(t, err)
	_, err = r.Wait(ctx)
	assert.NoError(t, err)
	assert.NoError(t, d.Close())
}

func TestQueueDoesNotWait(t *testing.T) {
	ctx := context.Background()
	for plane, memory := range planes(t) {
		t.Run(plane, func(t *testing.T) {
			d := start(t, "backend", Options{Memory: memory}).Device()
			one := floats(1, func(int) float32 { return 1 })
			f, err := d.Compile(ctx, function(t, "f", 1), []string{"difference"})
			require.NoError(t, err)
			x, err := d.Upload(ctx, ir.T(ir.F32, 1), make([]byte, 4))
			require.NoError(t, err)
			const n = 300
			var waits []func() ([][]byte, error)
			for range n {
				r, err := f.Queue(ctx, []plugin.Argument{{Buffer: x, Donate: true}, {Data: one}})
				require.NoError(t, err)
				x = r.Results()[0]
				waits = append(waits, func() ([][]byte, error) { return r.Wait(ctx) })
			}
			for i, wait := range waits {
				host, err := wait()
				require.NoError(t, err)
				assert.Equal(t, floats(1, func(int) float32 { return float32(i - 1) }), host[0])
			}
			sum := make([]byte, 4)
			require.NoError(t, x.Download(ctx, sum))
			assert.Equal(t, floats(1, func(int) float32 { return n }), sum)
			require.NoError(t, d.Close())
		})
	}
}

package plugins

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/record"
	"github.com/seedbed/seedbed/abi/rpc"
	"github.com/seedbed/seedbed/abi/wire"
)

// liar is a backend whose answers break the rules.
type liar struct {
	abiv1.UnimplementedBackendServer
	compile  func(*abiv1.CompileResponse)
	upload   func(abiv1.Backend_UploadServer) error
	download func(abiv1.Backend_DownloadServer) error
	execute  func(abiv1.Backend_ExecuteServer) error
	stats    *abiv1.StatsResponse
}

func (l *liar) Compile(_ context.Context, m *abiv1.CompileRequest) (*abiv1.CompileResponse, error) {
	program, err := wire.FromProto(m.Program)
	if err != nil {
		return nil, err
	}
	sum, err := hex.DecodeString(program.Hash())
	out := &abiv1.CompileResponse{ProgramSha256: sum}
	if l.compile != nil {
		l.compile(out)
	}
	return out, err
}
func (l *liar) Release(context.Context, *abiv1.ReleaseRequest) (*abiv1.ReleaseResponse, error) {
	return &abiv1.ReleaseResponse{}, nil
}
func (l *liar) Upload(s abiv1.Backend_UploadServer) error   { return l.upload(s) }
func (l *liar) Execute(s abiv1.Backend_ExecuteServer) error { return l.execute(s) }
func (l *liar) Stats(context.Context, *abiv1.StatsRequest) (*abiv1.StatsResponse, error) {
	return l.stats, nil
}
func (l *liar) Download(_ *abiv1.DownloadRequest, s abiv1.Backend_DownloadServer) error {
	return l.download(s)
}

// honest takes a whole upload.
func honest(s abiv1.Backend_UploadServer) error {
	n := 0
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&abiv1.UploadResponse{Bytes: uint64(n)})
		}
		if err != nil {
			return err
		}
		n += len(m.GetChunk())
	}
}

func (l *liar) device(t *testing.T) *remote { return serveLiar(t, l) }

// serveLiar serves a liar in memory.
func serveLiar(t *testing.T, l abiv1.BackendServer) *remote {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(append(rpc.Interceptors(func(err error) error { return err }, func(_ string, x any, _ []byte) error { return fmt.Errorf("%v", x) }),
		grpc.MaxSendMsgSize(math.MaxInt32))...)
	abiv1.RegisterBackendServer(server, l)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///liar", append(rpc.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	p := &Plugin{kind: KindBackend, conn: conn, timeout: 20 * time.Second, log: slog.Default()}
	p.info.Name = "liar"
	p.process = &process{cmd: &exec.Cmd{}, exited: make(chan struct{})}
	return newRemote(p)
}

// Whatever a backend answers, the host says what is wrong with it, and takes no
// more of it than it needs.
func TestLiesOfBackends(t *testing.T) {
	ctx := context.Background()
	typ := ir.T(ir.F32, 3)
	tm, err := wire.TypeToProto(typ)
	require.NoError(t, err)
	lies := func(t *testing.T, err error, says string) {
		t.Helper()
		require.Error(t, err)
		assert.ErrorContains(t, err, "plugin liar")
		assert.ErrorContains(t, err, says)
		assert.Less(t, len(err.Error()), 2000)
	}
	for says, m := range map[string]*abiv1.StatsResponse{
		"a device of 9999 bytes": {Device: strings.Repeat("x", 9999)},
		"a peak of NaN":          {PeakFlopsPerS: math.NaN()},
		"a peak of -1":           {PeakFlopsPerS: -1},
		"a peak of +Inf":         {PeakFlopsPerS: math.Inf(1)},
		"unknown field 999":      unknown(&abiv1.StatsResponse{}),
	} {
		t.Run("Stats: "+says, func(t *testing.T) {
			_, err := (&liar{stats: m}).device(t).Stats(ctx)
			lies(t, err, says)
		})
	}
	for says, lie := range map[string]func(*abiv1.CompileResponse){
		"it compiled program 00ff, not":                                 func(m *abiv1.CompileResponse) { m.ProgramSha256 = []byte{0, 255} },
		"it compiled program , not":                                     func(m *abiv1.CompileResponse) { m.ProgramSha256 = nil },
		"an executable takes 9223372036854775808 bytes, more than 2^60": func(m *abiv1.CompileResponse) { m.ScratchBytes = 1 << 63 },
		"an executable takes 1152921504606846977 bytes, more than 2^60": func(m *abiv1.CompileResponse) { m.ResultBytes = 1<<60 + 1 },
		"unknown field 999":                                             func(m *abiv1.CompileResponse) { unknown(m) },
		"received message larger than max":                              func(m *abiv1.CompileResponse) { m.ProgramSha256 = make([]byte, wire.MaxMessageBytes+1) },
		"it compiled program 00000000000000":                            func(m *abiv1.CompileResponse) { m.ProgramSha256 = make([]byte, 1<<20) },
	} {
		t.Run("Compile: "+says, func(t *testing.T) {
			_, err := (&liar{compile: lie}).device(t).Compile(ctx, function(t, "f", 3), nil)
			lies(t, err, says)
		})
	}
	for says, upload := range map[string]func(abiv1.Backend_UploadServer) error{
		"it received 0 bytes of 12": func(s abiv1.Backend_UploadServer) error { return s.SendAndClose(&abiv1.UploadResponse{}) },
		"it received 18446744073709551615 bytes of 12": func(s abiv1.Backend_UploadServer) error {
			return s.SendAndClose(&abiv1.UploadResponse{Bytes: math.MaxUint64})
		},
		"Upload: its answer cannot be read": func(abiv1.Backend_UploadServer) error { return nil }, // no answer
	} {
		t.Run("Upload: "+says, func(t *testing.T) {
			_, err := (&liar{upload: upload}).device(t).Upload(ctx, typ, make([]byte, typ.Bytes()))
			if says == "Upload: Internal" {
				require.Error(t, err)
				return
			}
			lies(t, err, says)
		})
	}

	sending := func(ms ...*abiv1.DownloadResponse) func(abiv1.Backend_DownloadServer) error {
		return func(s abiv1.Backend_DownloadServer) error {
			for _, m := range ms {
				if err := s.Send(m); err != nil {
					return err
				}
			}
			return nil
		}
	}
	part := func(t *abiv1.TensorType, n int) *abiv1.DownloadResponse {
		return &abiv1.DownloadResponse{Type: t, Chunk: make([]byte, n)}
	}
	sent := 0 // of the endless stream
	for says, download := range map[string]func(abiv1.Backend_DownloadServer) error{
		"ended the stream early":    sending(),
		"type":                      sending(part(nil, 12)),
		"the type comes twice":      sending(part(tm, 4), part(tm, 8)),
		"8 bytes of f32[3] are mis": sending(part(tm, 4)),
		"more bytes than f32[3] ha": sending(part(tm, 13)),
		"a chunk has 4194305 bytes": sending(part(tm, wire.MaxChunk+1)),
		"received message larger":   sending(part(tm, wire.MaxMessageBytes+1)),
		"the buffer is f32[4], not": sending(part(&abiv1.TensorType{Dtype: abiv1.DType_DTYPE_F32, Shape: []uint64{4}}, 12)),
		"dimension 0 is too large":  sending(part(&abiv1.TensorType{Dtype: abiv1.DType_DTYPE_F32, Shape: []uint64{1 << 40, 1 << 40}}, 12)),
		"dtype":                     sending(part(&abiv1.TensorType{Dtype: 99, Shape: []uint64{3}}, 12)),
		"more bytes than f32[3] has, or in": func(s abiv1.Backend_DownloadServer) error {
			err := s.Send(part(tm, 12))
			for err == nil {
				sent++
				err = s.Send(part(nil, 1<<20))
			}
			return err
		},
	} {
		t.Run("Download: "+says, func(t *testing.T) {
			d := (&liar{upload: honest, download: download}).device(t)
			b, err := d.Upload(ctx, typ, make([]byte, typ.Bytes()))
			require.NoError(t, err)
			lies(t, b.Download(ctx, make([]byte, typ.Bytes())), says)
		})
	}
	assert.Less(t, sent, 200, "an endless stream ends with the first part too many")

	answer := func(ms ...*abiv1.ExecuteResponse) func(abiv1.Backend_ExecuteServer) error {
		return func(s abiv1.Backend_ExecuteServer) error {
			if _, err := s.Recv(); err != nil {
				return err
			}
			for _, m := range ms {
				if err := s.Send(m); err != nil {
					return err
				}
			}
			<-s.Context().Done()
			return nil
		}
	}
	results := func(sequence uint64, lengths ...int) *abiv1.ExecuteResponse {
		m := &abiv1.ExecuteResponse{Sequence: sequence}
		for _, n := range lengths {
			m.InlineResults = append(m.InlineResults, make([]byte, n))
		}
		return m
	}
	for says, execute := range map[string]func(abiv1.Backend_ExecuteServer) error{
		"ended the stream early":            func(abiv1.Backend_ExecuteServer) error { return nil },
		"an answer to request 7, request 0": answer(results(7, 12)),
		"did not come as 12 bytes":          answer(results(0)),
		"f32[3], did not come as 12":        answer(results(0, 11)),
		"result 0, f32[3], did not":         answer(results(0, 1<<20)),
		"2 results came for 1":              answer(results(0, 12, 12)),
		"received message larger than max":  answer(results(0, wire.MaxMessageBytes+1)),
		"unknown field 999":                 answer(unknown(results(0, 12))),
	} {
		t.Run("Execute: "+says, func(t *testing.T) {
			t.Parallel()
			d := (&liar{execute: execute}).device(t)
			f, err := d.Compile(ctx, function(t, "f", 3), []string{"sum"})
			require.NoError(t, err)
			r, err := f.Queue(ctx, []plugin.Argument{{Data: make([]byte, 12)}, {Data: make([]byte, 12)}})
			require.NoError(t, err)
			_, err = r.Wait(ctx)
			lies(t, err, says)
		})
	}
	t.Run("Execute: answers to nothing", func(t *testing.T) {
		d := (&liar{execute: answer(results(0, 12), results(1, 12), results(2, 12))}).device(t)
		f, err := d.Compile(ctx, function(t, "f", 3), []string{"sum"})
		require.NoError(t, err)
		args := []plugin.Argument{{Data: make([]byte, 12)}, {Data: make([]byte, 12)}}
		r, err := f.Queue(ctx, args)
		require.NoError(t, err)
		_, err = r.Wait(ctx)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.err != nil
		}, 10*time.Second, time.Millisecond)
		_, err = f.Queue(ctx, args)
		lies(t, err, "an answer to request 1, which was not made")
	})
}

// answers returns what honest plugins answer.
func answers(t testing.TB) (build *abiv1.BuildResponse, bound *abiv1.BindResponse, described *abiv1.DescribeResponse) {
	ctx := context.Background()
	start := func(name string) *Plugin {
		p, err := Start(ctx, child(name), Options{})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, p.Close()) })
		return p
	}
	m, b := start("model"), start("backend")
	build, err := abiv1.NewModelClient(m.conn).Build(ctx, &abiv1.BuildRequest{Role: "scale"})
	require.NoError(t, err)
	loss, err := wire.ToProto(&ir.Program{Funcs: []*ir.Func{testLoss(t)}})
	require.NoError(t, err)
	fields, err := wire.FieldsToProto(testBinding{size: 8}.Batch())
	require.NoError(t, err)
	bound = &abiv1.BindResponse{Config: []byte("{}"), Loss: loss, Batch: fields, Metrics: []*abiv1.Metric{{Name: "accuracy"}}}
	described, err = abiv1.NewPluginClient(b.conn).Describe(ctx, &abiv1.DescribeRequest{Minor: ir.ABIMinor})
	require.NoError(t, err)
	return build, bound, described
}

func testLoss(t testing.TB) *ir.Func {
	b, err := testObjective{}.Bind(context.Background(), plugin.BindRequest{Properties: map[string]string{"size": "8"}})
	require.NoError(t, err)
	return b.Loss()
}

// What models and objectives answer, and how plugins describe themselves.
func TestLiesAtTheStart(t *testing.T) {
	build, bound, described := answers(t)
	_, err := moduleFromProto(build, "scale")
	require.NoError(t, err)
	require.NoError(t, (&binding{}).fromProto(bound))
	require.NoError(t, (&Plugin{}).described(described))

	huge := &abiv1.TensorType{Dtype: abiv1.DType_DTYPE_F32, Shape: []uint64{1 << 62, 1 << 62}}
	long := strings.Repeat("x", 1<<17)
	for says, lie := range map[string]func(m *abiv1.BuildResponse){
		"the config is missing":          func(m *abiv1.BuildResponse) { m.Config = nil },
		"config":                         func(m *abiv1.BuildResponse) { m.Config = make([]byte, 2<<20) },
		"parameters or buffers are":      func(m *abiv1.BuildResponse) { m.Parameters = make([]*abiv1.Parameter, wire.MaxParameters+1) },
		"no function is named for role":  func(m *abiv1.BuildResponse) { m.Functions = nil },
		`the program has no function "x`: func(m *abiv1.BuildResponse) { m.Functions = map[string]string{"scale": long} },
		"parameters[0]":                  func(m *abiv1.BuildResponse) { m.Parameters[0].Type = huge },
		`parameters[0] ("")`:             func(m *abiv1.BuildResponse) { m.Parameters[0] = &abiv1.Parameter{} },
		`parameters[0] ("xxxxx`:          func(m *abiv1.BuildResponse) { m.Parameters[0].Name = long },
		"the initializer is missing":     func(m *abiv1.BuildResponse) { m.Parameters[0].Initializer = nil },
		"tags are more than":             func(m *abiv1.BuildResponse) { m.Parameters[0].Tags = make([]string, wire.MaxTags+1) },
		"this host does not tie":         func(m *abiv1.BuildResponse) { m.Parameters[1].TiedTo = "bias" },
		"this host draws those around 0": func(m *abiv1.BuildResponse) {
			m.Parameters[1].Initializer = &abiv1.Initializer{Kind: &abiv1.Initializer_Uniform_{Uniform: &abiv1.Initializer_Uniform{High: math.NaN()}}}
		},
		"program": func(m *abiv1.BuildResponse) { m.Program = nil },
		"operand": func(m *abiv1.BuildResponse) { m.Program.Funcs[0].Ops[0].Operands[0] = math.MaxUint32 },
	} {
		m := proto.Clone(build).(*abiv1.BuildResponse)
		lie(m)
		_, err := moduleFromProto(m, "scale")
		require.Error(t, err, says)
		assert.ErrorContains(t, err, says)
		assert.Less(t, len(err.Error()), 2000, says)
	}
	for says, lie := range map[string]func(m *abiv1.BindResponse){
		"the config is missing": func(m *abiv1.BindResponse) { m.Config = nil },
		"program":               func(m *abiv1.BindResponse) { m.Loss = nil },
		"the loss is 2 functions": func(m *abiv1.BindResponse) {
			f := proto.Clone(m.Loss.Funcs[0]).(*abiv1.Func)
			f.Name = "two"
			m.Loss.Funcs = append(m.Loss.Funcs, f)
		},
		"batch":                        func(m *abiv1.BindResponse) { m.Batch[0].Type = huge },
		"the fields are not sorted":    func(m *abiv1.BindResponse) { slices.Reverse(m.Batch) },
		"metrics are more than":        func(m *abiv1.BindResponse) { m.Metrics = make([]*abiv1.Metric, wire.MaxMetrics+1) },
		"the metrics are not the loss": func(m *abiv1.BindResponse) { m.Metrics[0].Name = long },
		"the doc has 131072 bytes":     func(m *abiv1.BindResponse) { m.Metrics[0].Doc = long },
	} {
		m := proto.Clone(bound).(*abiv1.BindResponse)
		lie(m)
		err := (&binding{}).fromProto(m)
		require.Error(t, err, says)
		assert.ErrorContains(t, err, says)
		assert.Less(t, len(err.Error()), 2000, says)
	}
	for says, lie := range map[string]func(m *abiv1.DescribeResponse){
		"minor version":           func(m *abiv1.DescribeResponse) { m.Minor = math.MaxUint32 },
		"the kind is missing":     func(m *abiv1.DescribeResponse) { m.Kind = 77 },
		"name":                    func(m *abiv1.DescribeResponse) { m.Name = long },
		"the version has 131072":  func(m *abiv1.DescribeResponse) { m.Version = long },
		"roles are more than":     func(m *abiv1.DescribeResponse) { m.Roles = make([]string, wire.MaxRoles+1) },
		"a backend has no roles":  func(m *abiv1.DescribeResponse) { m.Roles = []string{"r"} },
		"claims are more than":    func(m *abiv1.DescribeResponse) { m.Claims = make([]*abiv1.OpClaim, wire.MaxClaims+1) },
		"not sorted and unique":   func(m *abiv1.DescribeResponse) { m.Claims = append(m.Claims, m.Claims[0]) },
		"version 0 is out of":     func(m *abiv1.DescribeResponse) { m.Claims[0].Version = 0 },
		"dtypes are not in order": func(m *abiv1.DescribeResponse) { m.Dtypes = append(m.Dtypes, m.Dtypes[0]) },
	} {
		m := proto.Clone(described).(*abiv1.DescribeResponse)
		lie(m)
		err := (&Plugin{}).described(m)
		require.Error(t, err, says)
		assert.ErrorContains(t, err, says)
		assert.Less(t, len(err.Error()), 2000, says)
	}
}

// transformed is what an honest objective answers to a request, inline and in
// the slot that was offered.
func transformed(t testing.TB) (b *binding, m *abiv1.TransformRequest, inline, slot *abiv1.TransformResponse, dst func() [][]byte) {
	b = &binding{fields: []ir.Param{{Name: "a", Type: ir.T(ir.I32, 2)}, {Name: "b", Type: ir.T(ir.F32, 3)}}}
	dst = func() [][]byte { return [][]byte{make([]byte, 8), make([]byte, 12)} }
	stream, err := record.EncodeTensors(b.fields, dst())
	require.NoError(t, err)
	m = &abiv1.TransformRequest{Step: 4, Part: 1, Into: &abiv1.Slot{Segment: 1, Slot: 3, Offsets: []uint64{0, 64}, Lengths: []uint64{8, 12}}}
	inline = &abiv1.TransformResponse{Step: 4, Part: 1, Batch: &abiv1.TransformResponse_ArrowBatch{ArrowBatch: stream}}
	slot = &abiv1.TransformResponse{Step: 4, Part: 1, Batch: &abiv1.TransformResponse_Slot{Slot: proto.Clone(m.Into).(*abiv1.Slot)}}
	return b, m, inline, slot, dst
}

// What objectives answer when they are asked for a batch.
func TestLiesAboutBatches(t *testing.T) {
	b, m, inline, slot, dst := transformed(t)
	require.NoError(t, b.answer(m, inline, dst()))
	require.NoError(t, b.answer(m, slot, dst()))
	refused := func(says string, m *abiv1.TransformRequest, out *abiv1.TransformResponse) {
		t.Helper()
		err := b.answer(m, out, dst())
		require.Error(t, err, says)
		assert.ErrorContains(t, err, says)
		assert.Less(t, len(err.Error()), 2000, says)
	}
	for says, lie := range map[string]func(out *abiv1.TransformResponse, s *abiv1.Slot){
		"the batch is of step 5, part 1":               func(out *abiv1.TransformResponse, _ *abiv1.Slot) { out.Step = 5 },
		"the batch is of step 4, part 18446744073709":  func(out *abiv1.TransformResponse, _ *abiv1.Slot) { out.Part = math.MaxUint64 },
		"the batch is missing":                         func(out *abiv1.TransformResponse, _ *abiv1.Slot) { out.Batch = nil },
		"the batch is in another slot than the one":    func(_ *abiv1.TransformResponse, s *abiv1.Slot) { s.Segment = 2 },
		"is in another slot than the one offered":      func(_ *abiv1.TransformResponse, s *abiv1.Slot) { s.Slot = math.MaxUint32 },
		"batch is in another slot than the one offer":  func(_ *abiv1.TransformResponse, s *abiv1.Slot) { s.Offsets[1] = 8 },
		"in another slot than the one offered":         func(_ *abiv1.TransformResponse, s *abiv1.Slot) { s.Offsets[0] = 1 << 63 },
		"another slot than the one offered":            func(_ *abiv1.TransformResponse, s *abiv1.Slot) { s.Lengths[0] = math.MaxUint64 },
		"the batch is in another slot":                 func(_ *abiv1.TransformResponse, s *abiv1.Slot) { s.Lengths = s.Lengths[:1] },
		"the batch is in another slot than the one of": func(_ *abiv1.TransformResponse, s *abiv1.Slot) { s.Offsets = make([]uint64, 1<<16) },
	} {
		out := proto.Clone(slot).(*abiv1.TransformResponse)
		lie(out, out.GetSlot())
		refused(says, m, out)
	}
	refused("in a slot that was not offered", &abiv1.TransformRequest{Step: 4, Part: 1}, slot)

	stream := inline.GetArrowBatch()
	with := func(stream []byte) *abiv1.TransformResponse {
		return &abiv1.TransformResponse{Step: 4, Part: 1, Batch: &abiv1.TransformResponse_ArrowBatch{ArrowBatch: stream}}
	}
	for n := range stream {
		if n != len(stream)-8 { // the mark of the end may be left out
			refused("", m, with(stream[:n]))
		}
	}
	refused("", m, with(append(slices.Clone(stream), 0)))
	refused("", m, with(append(slices.Clone(stream), stream...)))
	refused("", m, with([]byte("Content-Type: text/html")))
	i32, f32 := ir.T(ir.I32, 2), ir.T(ir.F32, 3)
	for name, fields := range map[string][]ir.Param{
		"a column too few":  {{Name: "a", Type: i32}},
		"a column too many": {{Name: "a", Type: i32}, {Name: "b", Type: f32}, {Name: "c", Type: f32}},
		"another name":      {{Name: "a", Type: i32}, {Name: "x", Type: f32}},
		"another dtype":     {{Name: "a", Type: ir.T(ir.F32, 2)}, {Name: "b", Type: f32}},
		"a wider dtype":     {{Name: "a", Type: ir.T(ir.I64, 2)}, {Name: "b", Type: f32}},
		"another length":    {{Name: "a", Type: i32}, {Name: "b", Type: ir.T(ir.F32, 4)}},
		"another shape":     {{Name: "a", Type: i32}, {Name: "b", Type: ir.T(ir.F32, 3, 1)}},
		"a scalar":          {{Name: "a", Type: i32}, {Name: "b", Type: ir.T(ir.F32)}},
		"a great deal":      {{Name: "a", Type: i32}, {Name: "b", Type: ir.T(ir.F32, 1<<22)}},
	} {
		tensors := make([][]byte, len(fields))
		for i, f := range fields {
			tensors[i] = make([]byte, f.Type.Bytes())
		}
		stream, err := record.EncodeTensors(fields, tensors)
		require.NoError(t, err, name)
		err = b.answer(m, with(stream), dst())
		assert.Error(t, err, name)
	}
	// Any byte may be another: the batch is refused or is one of the same form.
	for i := range stream {
		for _, bit := range []byte{1, 0x80} {
			bad := slices.Clone(stream)
			bad[i] ^= bit
			_ = b.answer(m, with(bad), dst()) // it must not panic, nor write outside
		}
	}
}

// FuzzAnswers reads bytes as what a plugin answers: it is refused or it is a
// module, a binding, a description or a batch that hold together.
func FuzzAnswers(f *testing.F) {
	build, bound, described := answers(f)
	b, request, inline, slot, dst := transformed(f)
	for i, m := range []proto.Message{build, bound, described, inline, slot} {
		data, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(byte(min(i, 3)), data)
	}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		switch kind % 4 {
		case 0:
			m := &abiv1.BuildResponse{}
			if proto.Unmarshal(data, m) != nil {
				return
			}
			if x, err := moduleFromProto(m, "scale"); err == nil {
				require.NoError(t, x.Check())
			}
		case 1:
			m := &abiv1.BindResponse{}
			if proto.Unmarshal(data, m) != nil {
				return
			}
			b := &binding{}
			if err := b.fromProto(m); err == nil {
				require.NotNil(t, b.Loss())
			}
		case 3:
			m := &abiv1.TransformResponse{}
			if proto.Unmarshal(data, m) != nil {
				return
			}
			if err := b.answer(request, m, dst()); err == nil {
				require.NotNil(t, m.Batch)
			}
		default:
			m := &abiv1.DescribeResponse{}
			if proto.Unmarshal(data, m) != nil {
				return
			}
			p := &Plugin{}
			if p.described(m) == nil {
				require.NotEmpty(t, p.Kind())
			}
		}
	})
}

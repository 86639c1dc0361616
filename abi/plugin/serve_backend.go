package plugin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/shm"
	"github.com/seedbed/seedbed/abi/wire"
)

// backendServer keeps a backend's buffers and executables under the host's
// numbers. The lock makes calls of the backend one at a time.
type backendServer struct {
	abiv1.UnimplementedBackendServer
	memory *shm.Set

	mu          sync.Mutex
	backend     Backend
	buffers     map[uint64]Buffer
	executables map[uint64]*executable
	programs    map[[sha256.Size]byte]*executable // by hash: programs that are equal are compiled once
	bufferBytes int64
	runs        uint64
	runTime     time.Duration
}

// executable is a program: its functions by name.
type executable struct {
	hash    [sha256.Size]byte // of the program's canonical bytes
	funcs   map[string]*function
	memory  Memory // most that one of its functions takes
	holders int    // numbers that name it
}

type function struct {
	Executable
	params  []ir.Param
	results []ir.Type
}

func newBackendServer(b Backend) *backendServer {
	return &backendServer{backend: b, buffers: map[uint64]Buffer{}, executables: map[uint64]*executable{}, programs: map[[sha256.Size]byte]*executable{}}
}

// close ends the backend when nothing is left that calls it.
func (s *backendServer) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backend.Close()
}

func (s *backendServer) add(number uint64, b Buffer) {
	s.buffers[number] = b
	s.bufferBytes += int64(b.Type().Bytes())
}

func (s *backendServer) remove(number uint64) {
	if b := s.buffers[number]; b != nil {
		s.bufferBytes -= int64(b.Type().Bytes())
		delete(s.buffers, number)
	}
}

// free reports whether a number may be given to something new.
func free[V any](what string, used map[uint64]V, number uint64) error {
	if number < 1 || number > wire.MaxNumber {
		return fmt.Errorf("%s number %d is not between 1 and 2^63-1", what, number)
	}
	if _, ok := used[number]; ok {
		return fmt.Errorf("%s number %d is in use", what, number)
	}
	return nil
}

func notFound(what string, number uint64) error {
	return status.Errorf(codes.NotFound, "there is no %s %d", what, number)
}

// Compile compiles the program, unless one that is equal is there.
func (s *backendServer) Compile(ctx context.Context, m *abiv1.CompileRequest) (*abiv1.CompileResponse, error) {
	if m.Profile != abiv1.Profile_PROFILE_EXACT {
		return nil, errors.New("the profile is missing")
	}
	program, err := wire.FromProto(m.Program)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := free("executable", s.executables, m.Executable); err != nil {
		return nil, err
	}
	begin := time.Now()
	hash := sha256.Sum256(program.CanonicalBytes())
	e := s.programs[hash]
	if e == nil {
		if e, err = s.compile(ctx, program); err != nil {
			return nil, err
		}
		e.hash = hash
		s.programs[hash] = e
	}
	e.holders++
	s.executables[m.Executable] = e
	return &abiv1.CompileResponse{
		ProgramSha256: e.hash[:],
		ScratchBytes:  uint64(e.memory.Scratch),
		ResultBytes:   uint64(e.memory.Results),
		CompileNs:     uint64(time.Since(begin)),
	}, nil
}

// compile compiles each function of a program.
func (s *backendServer) compile(ctx context.Context, program *ir.Program) (*executable, error) {
	e := &executable{funcs: map[string]*function{}}
	for _, f := range program.Funcs {
		x, err := s.backend.Compile(ctx, f)
		if err != nil {
			e.release()
			return nil, err
		}
		types := f.Types()
		fn := &function{Executable: x, params: f.Params}
		for _, r := range f.Results {
			fn.results = append(fn.results, types[r.Value])
		}
		e.funcs[f.Name] = fn
		memory := x.Memory()
		e.memory.Scratch = max(e.memory.Scratch, memory.Scratch)
		e.memory.Results = max(e.memory.Results, memory.Results)
	}
	return e, nil
}

func (e *executable) release() {
	for _, f := range e.funcs {
		f.Release()
	}
}

// Upload gathers the parts of a tensor. One that comes as one region is not
// copied before the backend does.
func (s *backendServer) Upload(stream abiv1.Backend_UploadServer) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	header := m.GetHeader()
	if header == nil {
		return errors.New("upload: does not begin with a header")
	}
	t, err := wire.TypeFromProto(header.Type)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	var data []byte
	owned := false
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var part []byte
		switch p := m.Part.(type) {
		case *abiv1.UploadRequest_Chunk:
			if part = p.Chunk; len(part) == 0 || len(part) > wire.MaxChunk {
				return fmt.Errorf("upload: a chunk has %d bytes, not 1 to %d", len(part), wire.MaxChunk)
			}
		case *abiv1.UploadRequest_Slot:
			regions, err := s.memory.Regions(p.Slot)
			if err != nil {
				return fmt.Errorf("upload: %w", err)
			}
			if len(regions) != 1 {
				return fmt.Errorf("upload: %d regions, not one", len(regions))
			}
			part = regions[0]
		case *abiv1.UploadRequest_Header:
			return errors.New("upload: a second header")
		default:
			return errors.New("upload: a part is missing")
		}
		if len(part) > t.Bytes()-len(data) {
			return fmt.Errorf("upload: more than the %d bytes of %v", t.Bytes(), t)
		}
		switch {
		case data == nil:
			data = part[:len(part):len(part)]
		case !owned:
			data, owned = append(append(make([]byte, 0, min(t.Bytes(), 2*(len(data)+len(part)))), data...), part...), true
		default:
			data = append(data, part...)
		}
	}
	if len(data) != t.Bytes() {
		return fmt.Errorf("upload: %d bytes, %v takes %d", len(data), t, t.Bytes())
	}
	if err := s.upload(stream.Context(), header.Buffer, t, data); err != nil {
		return err
	}
	return stream.SendAndClose(&abiv1.UploadResponse{Bytes: uint64(len(data))})
}

func (s *backendServer) upload(ctx context.Context, number uint64, t ir.Type, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := free("buffer", s.buffers, number); err != nil {
		return err
	}
	b, err := s.backend.Upload(ctx, t, data)
	if err != nil {
		return err
	}
	s.add(number, b)
	return nil
}

// Download sends a buffer, into shared memory or in chunks.
func (s *backendServer) Download(m *abiv1.DownloadRequest, stream abiv1.Backend_DownloadServer) error {
	var data []byte
	if m.Into != nil {
		regions, err := s.memory.Regions(m.Into)
		if err != nil {
			return fmt.Errorf("download: %w", err)
		}
		if len(regions) != 1 {
			return fmt.Errorf("download: %d regions, not one", len(regions))
		}
		data = regions[0]
	}
	t, data, err := s.download(stream.Context(), m.Buffer, m.Into != nil, data)
	if err != nil {
		return err
	}
	tm, err := wire.TypeToProto(t)
	if err != nil {
		return err
	}
	out := &abiv1.DownloadResponse{Type: tm}
	if m.Into != nil {
		return stream.Send(out)
	}
	for {
		n := min(len(data), wire.MaxChunk)
		out.Chunk, data = data[:n], data[n:]
		if err := stream.Send(out); err != nil || len(data) == 0 {
			return err
		}
		out = &abiv1.DownloadResponse{}
	}
}

func (s *backendServer) download(ctx context.Context, number uint64, into bool, data []byte) (ir.Type, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buffers[number]
	if b == nil {
		return ir.Type{}, nil, notFound("buffer", number)
	}
	t := b.Type()
	if !into {
		data = make([]byte, t.Bytes())
	}
	if len(data) != t.Bytes() {
		return t, nil, fmt.Errorf("download: a region of %d bytes, %v takes %d", len(data), t, t.Bytes())
	}
	return t, data, b.Download(ctx, data)
}

// Release frees all that is named, or nothing.
func (s *backendServer) Release(_ context.Context, m *abiv1.ReleaseRequest) (*abiv1.ReleaseResponse, error) {
	if len(m.Buffers) > wire.MaxRelease || len(m.Executables) > wire.MaxRelease {
		return nil, fmt.Errorf("release: %d buffers and %d executables, at most %d each", len(m.Buffers), len(m.Executables), wire.MaxRelease)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := present("buffer", s.buffers, m.Buffers); err != nil {
		return nil, err
	}
	if err := present("executable", s.executables, m.Executables); err != nil {
		return nil, err
	}
	for _, n := range m.Buffers {
		b := s.buffers[n]
		s.remove(n)
		b.Release()
	}
	for _, n := range m.Executables {
		e := s.executables[n]
		delete(s.executables, n)
		if e.holders--; e.holders == 0 {
			delete(s.programs, e.hash)
			e.release()
		}
	}
	return &abiv1.ReleaseResponse{}, nil
}

// present reports what is not there, or is named twice.
func present[V any](what string, has map[uint64]V, numbers []uint64) error {
	seen := make(map[uint64]bool, len(numbers))
	for _, n := range numbers {
		if _, ok := has[n]; !ok {
			return notFound(what, n)
		}
		if seen[n] {
			return fmt.Errorf("release: %s %d is named twice", what, n)
		}
		seen[n] = true
	}
	return nil
}

// Stats asks the backend and adds what the server knows.
func (s *backendServer) Stats(ctx context.Context, _ *abiv1.StatsRequest) (*abiv1.StatsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var x Stats
	if r, ok := s.backend.(StatsReporter); ok {
		var err error
		if x, err = r.Stats(ctx); err != nil {
			return nil, err
		}
	}
	if !(x.PeakFLOPS >= 0 && x.PeakFLOPS < 1e30) {
		return nil, fmt.Errorf("stats: the peak is %v operations a second", x.PeakFLOPS)
	}
	return &abiv1.StatsResponse{
		Device:        clip(x.Device, wire.MaxShortDocLen),
		Workers:       uint32(max(x.Workers, 0)),
		BufferBytes:   uint64(max(x.BufferBytes, s.bufferBytes)),
		Buffers:       uint64(len(s.buffers)),
		Executables:   uint64(len(s.executables)),
		PeakBytes:     uint64(max(x.PeakBytes, 0)),
		FreeBytes:     uint64(max(x.FreeBytes, 0)),
		Runs:          s.runs,
		RunNs:         uint64(s.runTime),
		PeakFlopsPerS: x.PeakFLOPS,
	}, nil
}

// Profile asks a backend that can record runs.
func (s *backendServer) Profile(ctx context.Context, m *abiv1.ProfileRequest) (*abiv1.ProfileResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.backend.(Profiler)
	if !ok {
		return nil, status.Errorf(codes.Unimplemented, "backend %s cannot record what its runs do", s.backend.Info().Name)
	}
	x, err := r.Profile(ctx, m.Record)
	if err != nil {
		return nil, err
	}
	out := &abiv1.ProfileResponse{PeakBytesPerS: x.PeakBytes}
	for _, run := range x.Runs {
		to := &abiv1.ProfiledRun{Function: run.Function, BeginUnixNs: uint64(run.Begin.UnixNano()), RunNs: uint64(run.Took)}
		for _, op := range run.Ops {
			to.Ops = append(to.Ops, &abiv1.ProfiledOp{
				Name: clip(op.Name, wire.MaxDocLen), Types: clip(op.Types, wire.MaxDocLen),
				BeginNs: uint64(op.Begin), RunNs: uint64(op.Took), Flops: uint64(op.FLOPs), Bytes: uint64(op.Bytes),
			})
		}
		out.Runs = append(out.Runs, to)
	}
	return out, nil
}

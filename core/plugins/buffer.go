package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/wire"
)

// remoteBuffer is a tensor in the plugin's process. What follows d is guarded
// by its lock.
type remoteBuffer struct {
	number uint64
	t      ir.Type
	made   *run // that makes it; nil of an upload
	d      *remote

	after    uint64 // runs that must have ended before it is released
	released bool
}

func (b *remoteBuffer) Type() ir.Type { return b.t }

func (b *remoteBuffer) Release() {
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	if !b.released {
		b.released = true
		b.d.discard(garbage{number: b.number, after: b.after})
	}
}

// inMessages is the size up to which a tensor is not worth a slot.
const inMessages = 16 << 10

func (d *remote) Upload(ctx context.Context, t ir.Type, data []byte) (plugin.Buffer, error) {
	tm, err := wire.TypeToProto(t)
	if err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	if len(data) != t.Bytes() {
		return nil, fmt.Errorf("upload: %d bytes are given for %v, which has %d", len(data), t, t.Bytes())
	}
	d.mu.Lock()
	err = d.err
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	b := &remoteBuffer{d: d, number: d.number(d.buffers), t: t}
	var s *slot
	if len(data) > inMessages {
		if s = d.p.memory.take(len(data)); s != nil {
			copy(s.data, data)
			defer s.give()
		}
	}
	var out *abiv1.UploadResponse
	err = d.p.hold(ctx, "Upload", func(ctx context.Context) (err error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := d.client.Upload(ctx)
		if err != nil {
			return err
		}
		send := func(m *abiv1.UploadRequest) bool {
			// Where sending fails, receiving says why.
			return stream.Send(m) == nil
		}
		ok := send(&abiv1.UploadRequest{Part: &abiv1.UploadRequest_Header{Header: &abiv1.UploadHeader{Buffer: b.number, Type: tm}}})
		if s != nil {
			_ = ok && send(&abiv1.UploadRequest{Part: &abiv1.UploadRequest_Slot{Slot: s.region(0, len(data))}})
		} else {
			for rest := data; ok && len(rest) > 0; {
				n := min(len(rest), wire.MaxChunk)
				ok = send(&abiv1.UploadRequest{Part: &abiv1.UploadRequest_Chunk{Chunk: rest[:n]}})
				rest = rest[n:]
			}
		}
		out, err = stream.CloseAndRecv()
		if errors.Is(err, io.EOF) {
			err = errCut
		}
		return err
	})
	if err == nil && out.Bytes != uint64(len(data)) {
		err = d.broken("Upload", fmt.Errorf("it received %d bytes of %d", out.Bytes, len(data)))
	}
	if err != nil {
		d.mu.Lock()
		delete(d.buffers, b.number)
		d.mu.Unlock()
		return nil, err
	}
	return b, nil
}

func (b *remoteBuffer) Download(ctx context.Context, dst []byte) error {
	if len(dst) != b.t.Bytes() {
		return fmt.Errorf("download of %v needs %d bytes, is given %d", b.t, b.t.Bytes(), len(dst))
	}
	d := b.d
	d.mu.Lock()
	released := b.released
	d.mu.Unlock()
	if released {
		return errors.New("download of a buffer that was released or donated")
	}
	if b.made != nil {
		if _, err := b.made.Wait(ctx); err != nil {
			return err
		}
	}
	var s *slot
	m := &abiv1.DownloadRequest{Buffer: b.number}
	if len(dst) > inMessages {
		if s = d.p.memory.take(len(dst)); s != nil {
			defer s.give()
			m.Into = s.region(0, len(dst))
		}
	}
	rest := dst
	err := d.p.hold(ctx, "Download", func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := d.client.Download(ctx, m)
		if err != nil {
			return err
		}
		for first := true; ; first = false {
			out, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				if first {
					return errCut
				}
				return nil
			}
			if err != nil {
				return err
			}
			if err := b.part(out, first); err != nil {
				return d.broken("Download", err)
			}
			if len(out.Chunk) > len(rest) || (s != nil && len(out.Chunk) > 0) {
				return d.broken("Download", fmt.Errorf("more bytes than %v has, or in two ways", b.t))
			}
			rest = rest[copy(rest, out.Chunk):]
		}
	})
	switch {
	case err != nil:
		return err
	case s != nil:
		copy(dst, s.data)
	case len(rest) > 0:
		return d.broken("Download", fmt.Errorf("%d bytes of %v are missing", len(rest), b.t))
	}
	return nil
}

// part checks a message of a download.
func (b *remoteBuffer) part(m *abiv1.DownloadResponse, first bool) error {
	if len(m.Chunk) > wire.MaxChunk {
		return fmt.Errorf("a chunk has %d bytes, more than %d", len(m.Chunk), wire.MaxChunk)
	}
	if !first {
		if m.Type != nil {
			return errors.New("the type comes twice")
		}
		return nil
	}
	t, err := wire.TypeFromProto(m.Type)
	if err != nil {
		return err
	}
	if !t.Equal(b.t) {
		return fmt.Errorf("the buffer is %v, not %v", t, b.t)
	}
	return nil
}

package plugins

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/wire"
	"github.com/seedbed/seedbed/core/device"
)

// Profile asks the backend for its record.
func (d *remote) Profile(ctx context.Context, record bool) (plugin.Profile, error) {
	var m *abiv1.ProfileResponse
	unknown := false
	err := d.p.call(ctx, "Profile", func(ctx context.Context) (err error) {
		m, err = d.client.Profile(ctx, &abiv1.ProfileRequest{Record: record})
		unknown = status.Code(err) == codes.Unimplemented
		return err
	})
	if unknown {
		return plugin.Profile{}, device.CannotProfile(d.p.info.Name)
	}
	if err != nil {
		return plugin.Profile{}, err
	}
	p, err := profileFromProto(m)
	if err != nil {
		return plugin.Profile{}, d.broken("Profile", err)
	}
	return p, nil
}

// profileFromProto checks a record. Times that make no sense would make tables
// and traces of none.
func profileFromProto(m *abiv1.ProfileResponse) (plugin.Profile, error) {
	if !(m.PeakBytesPerS >= 0 && m.PeakBytesPerS < 1e30) {
		return plugin.Profile{}, fmt.Errorf("a peak of %v bytes a second", m.PeakBytesPerS)
	}
	p := plugin.Profile{PeakBytes: m.PeakBytesPerS}
	total := 0
	const most = 1 << 62
	for i, r := range m.Runs {
		if total += len(r.Ops); total > plugin.MaxProfiledOps {
			return plugin.Profile{}, fmt.Errorf("more than %d ops", plugin.MaxProfiledOps)
		}
		if len(r.Function) > wire.MaxShortDocLen || !utf8.ValidString(r.Function) || r.BeginUnixNs >= most || r.RunNs >= most {
			return plugin.Profile{}, fmt.Errorf("run %d: a name of %d bytes, a beginning at %d, %d ns", i, len(r.Function), r.BeginUnixNs, r.RunNs)
		}
		run := plugin.ProfiledRun{Function: r.Function, Begin: time.Unix(0, int64(r.BeginUnixNs)), Took: time.Duration(r.RunNs)}
		end := uint64(0)
		for k, o := range r.Ops {
			if len(o.Name) > wire.MaxDocLen || len(o.Types) > wire.MaxDocLen {
				return plugin.Profile{}, fmt.Errorf("run %d, op %d: a name of %d bytes, types of %d", i, k, len(o.Name), len(o.Types))
			}
			if o.BeginNs < end || o.BeginNs >= most || o.RunNs >= most || o.BeginNs+o.RunNs > r.RunNs || o.Flops >= most || o.Bytes >= most {
				return plugin.Profile{}, fmt.Errorf("run %d of %d ns, op %d (%s): from %d for %d ns, after one that ended at %d, with %d FLOPs and %d bytes",
					i, r.RunNs, k, clip(o.Name, 64), o.BeginNs, o.RunNs, end, o.Flops, o.Bytes)
			}
			end = o.BeginNs + o.RunNs
			run.Ops = append(run.Ops, plugin.ProfiledOp{
				Name: o.Name, Types: o.Types, Begin: time.Duration(o.BeginNs), Took: time.Duration(o.RunNs), FLOPs: int64(o.Flops), Bytes: int64(o.Bytes),
			})
		}
		p.Runs = append(p.Runs, run)
	}
	return p, nil
}

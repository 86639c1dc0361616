package plugins

import (
	"context"
	"fmt"
	"math"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/wire"
)

// The first descriptor that a plugin inherits is its life, the second the
// run's memory.
const memoryDescriptor = 4

var kinds = map[abiv1.PluginKind]Kind{
	abiv1.PluginKind_PLUGIN_KIND_MODEL:     KindModel,
	abiv1.PluginKind_PLUGIN_KIND_OBJECTIVE: KindObjective,
	abiv1.PluginKind_PLUGIN_KIND_BACKEND:   KindBackend,
}

// describe asks the plugin who it is. One that cannot use the run's memory
// gets its tensors in messages, unless memory was demanded.
func (p *Plugin) describe(ctx context.Context) error {
	client := abiv1.NewPluginClient(p.conn)
	ask := func() (*abiv1.DescribeResponse, error) {
		r := &abiv1.DescribeRequest{Minor: ir.ABIMinor}
		if p.memory != nil {
			s := p.memory.segment
			r.Segments = []*abiv1.Segment{{Id: s.ID, File: memoryDescriptor, SlotBytes: uint64(s.SlotBytes), Slots: uint32(s.Slots)}}
		}
		return client.Describe(ctx, r)
	}
	d, err := ask()
	if p.memory != nil && !p.memory.required && (status.Code(err) == codes.InvalidArgument || status.Code(err) == codes.ResourceExhausted) {
		p.log.Warn("the plugin cannot use shared memory; its tensors travel in messages", "reason", status.Convert(err).Message())
		p.memory = nil
		d, err = ask()
	}
	if err != nil {
		return err
	}
	if err := p.described(d); err != nil {
		return p.refuse(ErrGarbage, fmt.Sprintf("its description breaks the ABI: %v", err))
	}
	return nil
}

func (p *Plugin) described(d *abiv1.DescribeResponse) error {
	if d.Minor < d.MinMinor || d.Minor > math.MaxInt32 {
		return fmt.Errorf("minor version %d is less than the least, %d, or too large", d.Minor, d.MinMinor)
	}
	kind, ok := kinds[d.Kind]
	if !ok {
		return fmt.Errorf("the kind is missing")
	}
	if err := wire.CheckName(d.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if len(d.Version) == 0 || len(d.Version) > wire.MaxVersionLen || len(d.Doc) > wire.MaxDocLen {
		return fmt.Errorf("the version has %d bytes (1 to %d), the doc %d (at most %d)", len(d.Version), wire.MaxVersionLen, len(d.Doc), wire.MaxDocLen)
	}
	if len(d.Roles) > wire.MaxRoles {
		return fmt.Errorf("%d roles are more than %d", len(d.Roles), wire.MaxRoles)
	}
	for i, r := range d.Roles {
		if err := wire.CheckName(r); err != nil {
			return fmt.Errorf("role %d: %w", i, err)
		}
		if i > 0 && d.Roles[i-1] >= r {
			return fmt.Errorf("roles are not sorted and unique at %q", r)
		}
	}
	switch {
	case kind == KindBackend && len(d.Roles) > 0:
		return fmt.Errorf("a backend has no roles")
	case kind == KindModel && len(d.Roles) == 0:
		return fmt.Errorf("a model has at least one role")
	case kind == KindObjective && len(d.Roles) != 1:
		return fmt.Errorf("an objective has one role, not %d", len(d.Roles))
	case kind != KindBackend && (len(d.Claims) > 0 || len(d.Dtypes) > 0):
		return fmt.Errorf("only a backend claims ops and dtypes")
	case len(d.Claims) > wire.MaxClaims:
		return fmt.Errorf("%d claims are more than %d", len(d.Claims), wire.MaxClaims)
	}
	ops := make(map[string]int, len(d.Claims))
	for i, c := range d.Claims {
		if err := wire.CheckName(c.Name); err != nil {
			return fmt.Errorf("claim %d: %w", i, err)
		}
		if i > 0 && d.Claims[i-1].Name >= c.Name {
			return fmt.Errorf("claims are not sorted and unique at %q", c.Name)
		}
		if c.Version < 1 || c.Version > math.MaxInt32 {
			return fmt.Errorf("claim %q: version %d is out of range", c.Name, c.Version)
		}
		ops[c.Name] = int(c.Version)
	}
	var types []ir.DType
	for i, t := range d.Dtypes {
		x, err := wire.DTypeFromProto(t)
		if err != nil {
			return err
		}
		if i > 0 && d.Dtypes[i-1] >= t {
			return fmt.Errorf("dtypes are not in order and unique at %v", x)
		}
		types = append(types, x)
	}
	p.kind, p.minor = kind, int(d.Minor)
	p.info = plugin.BackendInfo{
		Info: plugin.Info{Name: d.Name, Version: d.Version, Doc: d.Doc, Roles: slices.Clone(d.Roles)},
		Ops:  ops, DTypes: types,
	}
	return nil
}

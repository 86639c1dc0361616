package plugin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/shm"
	"github.com/seedbed/seedbed/abi/wire"
)

// pluginServer answers Describe.
type pluginServer struct {
	abiv1.UnimplementedPluginServer
	describe *abiv1.DescribeResponse
	memory   shm.Set
	stderr   *os.File
	once     sync.Once
}

func (p *pluginServer) Describe(_ context.Context, r *abiv1.DescribeRequest) (*abiv1.DescribeResponse, error) {
	// go-plugin sends what is written to these through the connection, where
	// the last words of a plugin that dies are lost.
	p.once.Do(func() { os.Stdout, os.Stderr = p.stderr, p.stderr })
	if r.Minor < r.MinMinor {
		return nil, fmt.Errorf("the host speaks ABI %d.%d, less than the %d.%d that its message needs", ir.ABIMajor, r.Minor, ir.ABIMajor, r.MinMinor)
	}
	if r.Minor < p.describe.MinMinor {
		return nil, &wire.VersionError{What: "plugin", Major: ir.ABIMajor, Minor: p.describe.MinMinor}
	}
	if err := p.memory.Open(r.Segments); err != nil {
		return nil, err
	}
	// Each answer is stamped on its own.
	return &abiv1.DescribeResponse{
		Minor: p.describe.Minor, Kind: p.describe.Kind, Name: p.describe.Name, Version: p.describe.Version, Doc: p.describe.Doc,
		Roles: p.describe.Roles, Claims: p.describe.Claims, Dtypes: p.describe.Dtypes,
	}, nil
}

// describeInfo fills in who a plugin is. It refuses what a host would.
func describeInfo(d *abiv1.DescribeResponse, i Info) error {
	if err := wire.CheckName(i.Name); err != nil {
		return fmt.Errorf("its name %q: %w", i.Name, err)
	}
	if len(i.Version) == 0 || len(i.Version) > wire.MaxVersionLen || len(i.Doc) > wire.MaxDocLen {
		return fmt.Errorf("its version has %d bytes (1 to %d), its doc %d (at most %d)", len(i.Version), wire.MaxVersionLen, len(i.Doc), wire.MaxDocLen)
	}
	if len(d.Roles) > wire.MaxRoles {
		return fmt.Errorf("%d roles are more than %d", len(d.Roles), wire.MaxRoles)
	}
	for _, r := range d.Roles {
		if err := wire.CheckName(r); err != nil {
			return fmt.Errorf("its role %q: %w", r, err)
		}
	}
	d.Minor, d.Name, d.Version, d.Doc = ir.ABIMinor, i.Name, i.Version, i.Doc
	return nil
}

func sortedRoles(roles []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(roles)))
}

func describeBackend(d *abiv1.DescribeResponse, i BackendInfo) error {
	if len(i.Ops) > wire.MaxClaims {
		return fmt.Errorf("%d ops are more than %d", len(i.Ops), wire.MaxClaims)
	}
	for _, name := range slices.Sorted(maps.Keys(i.Ops)) {
		v := i.Ops[name]
		if err := wire.CheckName(name); err != nil || v < 1 {
			return fmt.Errorf("it runs op %q of version %d: %w", name, v, cmp.Or(err, fmt.Errorf("versions begin at 1")))
		}
		d.Claims = append(d.Claims, &abiv1.OpClaim{Name: name, Version: uint32(v)})
	}
	for _, t := range i.DTypes {
		m, err := wire.DTypeToProto(t)
		if err != nil {
			return err
		}
		d.Dtypes = append(d.Dtypes, m)
	}
	slices.Sort(d.Dtypes)
	d.Dtypes = slices.Compact(d.Dtypes)
	return nil
}

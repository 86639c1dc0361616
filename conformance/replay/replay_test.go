package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/record"
	"github.com/seedbed/seedbed/abi/wire"
	"github.com/seedbed/seedbed/conformance/cases"
	"github.com/seedbed/seedbed/core/device"
	"github.com/seedbed/seedbed/datasets/shapes"
	"github.com/seedbed/seedbed/plugins/backends/cpu"
	"github.com/seedbed/seedbed/plugins/backends/reference"
)

var update = flag.Bool("update", false, "write the corpus of the version that has not been released anew")

// unreleased is the folder that -update writes.
const unreleased = "1"

// index is the file corpus.json of a folder: hashes, in hexadecimal.
type index struct {
	Programs []savedProgram `json:"programs"`
	Batches  []savedBatch   `json:"batches"`
}

// savedProgram is a file NAME.program, a Program of abi/v1, and NAME.arrow, a
// batch of all arguments of all functions.
type savedProgram struct {
	Name string `json:"name"`
	// Canonical is the SHA-256 of the program's canonical bytes.
	Canonical string `json:"canonical"`
	// Results are the SHA-256 of each function's results, by its name.
	Results map[string]string `json:"results"`
}

// savedBatch is a file NAME.schema and a file NAME.rows, a record's streams.
type savedBatch struct {
	Name string `json:"name"`
	Rows string `json:"rows"` // SHA-256 of the rows as JSON
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func file(t *testing.T, folder, name string) []byte {
	data, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return data
}

func TestReplay(t *testing.T) {
	if *update {
		write(t)
	}
	folders, err := filepath.Glob("[0-9]*")
	require.NoError(t, err)
	require.Contains(t, folders, unreleased)
	for _, folder := range folders {
		var ix index
		require.NoError(t, json.Unmarshal(file(t, folder, "corpus.json"), &ix))
		require.NotEmpty(t, ix.Programs)
		require.NotEmpty(t, ix.Batches)
		for _, s := range ix.Programs {
			t.Run(folder+"/"+s.Name, func(t *testing.T) { replay(t, folder, s) })
		}
		for _, s := range ix.Batches {
			t.Run(folder+"/"+s.Name, func(t *testing.T) {
				r := rows(t, folder, s.Name)
				defer r.Release()
				text, err := r.MarshalJSON()
				require.NoError(t, err)
				assert.Equal(t, s.Rows, sum(text))
			})
		}
	}
}

// The corpus that is not frozen yet has every op that there is, on every dtype.
func TestTheCorpusHasEveryOp(t *testing.T) {
	units, err := cases.Units()
	require.NoError(t, err)
	have := map[string]map[string]bool{} // ops by dtype
	for _, u := range units {
		d := u.DType.String()
		if !u.Required() {
			continue
		}
		if have[d] == nil {
			have[d] = map[string]bool{}
			for _, f := range decode(t, unreleased, "ops-"+d).Funcs {
				for _, op := range f.Ops {
					have[d][op.Name] = true
				}
			}
		}
		assert.True(t, have[d][u.Op.Name], "%s is not in it: go test ./conformance/replay -update", u.Name())
	}
}

// rows reads a record.
func rows(t *testing.T, folder, name string) arrow.Record {
	schema, err := record.DecodeSchema(file(t, folder, name+".schema"))
	require.NoError(t, err)
	r, err := record.DecodeRows(schema, file(t, folder, name+".rows"))
	require.NoError(t, err)
	return r
}

// fields are the parameters of all functions of a program.
func fields(p *ir.Program) (l []ir.Param) {
	for _, f := range p.Funcs {
		for _, q := range f.Params {
			l = append(l, ir.Param{Name: f.Name + "." + q.Name, Type: q.Type})
		}
	}
	return l
}

// decode reads a program and verifies it.
func decode(t *testing.T, folder, name string) *ir.Program {
	var m abiv1.Program
	require.NoError(t, proto.Unmarshal(file(t, folder, name+".program"), &m))
	require.NoError(t, wire.Check(&m))
	p, err := wire.FromProto(&m)
	require.NoError(t, err)
	return p
}

func replay(t *testing.T, folder string, s savedProgram) {
	p := decode(t, folder, s.Name)
	assert.Equal(t, s.Canonical, sum(p.CanonicalBytes()))
	all := fields(p)
	args := make([][]byte, len(all))
	for i, f := range all {
		args[i] = make([]byte, f.Type.Bytes())
	}
	require.NoError(t, record.DecodeTensors(all, file(t, folder, s.Name+".arrow"), args))

	fast, err := cpu.New(cpu.Options{Threads: 2})
	require.NoError(t, err)
	defer func() { assert.NoError(t, fast.Close()) }()
	require.Len(t, s.Results, len(p.Funcs))
	for _, f := range p.Funcs {
		mine := args[:len(f.Params)]
		args = args[len(f.Params):]
		for _, b := range []plugin.Backend{reference.Backend{}, fast} {
			assert.Equal(t, s.Results[f.Name], sum(run(t, b, f, mine)), "func %s on %s", f.Name, b.Info().Name)
		}
	}
}

// run returns the results' bytes, NaNs as the one that programs see.
func run(t *testing.T, b plugin.Backend, f *ir.Func, args [][]byte) (all []byte) {
	lowered, err := device.Lower(f, b.Info())
	require.NoError(t, err)
	e, err := b.Compile(t.Context(), lowered)
	require.NoError(t, err)
	defer e.Release()
	in := make([]plugin.Argument, len(args))
	for i, a := range args {
		in[i].Data = a
	}
	out, err := e.Execute(t.Context(), in)
	require.NoError(t, err)
	for _, x := range out {
		data := make([]byte, x.Type().Bytes())
		require.NoError(t, x.Download(t.Context(), data))
		cases.Canonical(x.Type().DType, data)
		x.Release()
		all = append(all, data...)
	}
	return all
}

// write makes the corpus: of every op and dtype a case, gradients of a few, and
// random programs.
func write(t *testing.T) {
	var ix index
	by := map[string][]*cases.Case{}
	units, err := cases.Units()
	require.NoError(t, err)
	for _, u := range units {
		if u.Required() {
			by["ops-"+u.DType.String()] = append(by["ops-"+u.DType.String()], first(t, func(i int) (*cases.Case, error) { return u.Case(1, i) }))
		}
	}
	gradients, err := cases.Gradients()
	require.NoError(t, err)
	for _, u := range gradients {
		if u.DType == ir.F32 {
			by["gradients-f32"] = append(by["gradients-f32"], first(t, func(i int) (*cases.Case, error) { return u.Gradient(1, i, false) }))
		}
	}
	for _, d := range cases.Fuzzed() {
		for i := range 8 {
			by["fuzz-"+d.String()] = append(by["fuzz-"+d.String()], first(t, func(k int) (*cases.Case, error) { return cases.Program(1, d, 100*i+k) }))
		}
	}
	require.NoError(t, os.MkdirAll(unreleased, 0o755))
	put := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(unreleased, name), data, 0o644))
	}
	for _, name := range sorted(by) {
		s := savedProgram{Name: name, Results: map[string]string{}}
		p := &ir.Program{}
		var args [][]byte
		for _, c := range by[name] {
			if c == nil {
				continue
			}
			f := *c.Func
			f.Name = fmt.Sprintf("f%d", len(p.Funcs))
			p.Funcs = append(p.Funcs, &f)
			args = append(args, c.Args...)
			s.Results[f.Name] = sum(run(t, reference.Backend{}, &f, c.Args))
		}
		m, err := wire.ToProto(p)
		require.NoError(t, err)
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		require.NoError(t, err)
		s.Canonical = sum(p.CanonicalBytes())
		put(name+".program", data)
		stream, err := record.EncodeTensors(fields(p), args)
		require.NoError(t, err)
		put(name+".arrow", stream)
		ix.Programs = append(ix.Programs, s)
	}
	pictures, err := shapes.Open(shapes.Config{Size: 8, Rows: 8, Masks: true})
	require.NoError(t, err)
	r, err := pictures.Read(t.Context(), []int64{0, 3, 5})
	require.NoError(t, err)
	defer r.Release()
	schema, err := record.EncodeSchema(r.Schema())
	require.NoError(t, err)
	put("pictures.schema", schema)
	stream, err := record.EncodeRows(r)
	require.NoError(t, err)
	put("pictures.rows", stream)
	text, err := r.MarshalJSON()
	require.NoError(t, err)
	ix.Batches = append(ix.Batches, savedBatch{Name: "pictures", Rows: sum(text)})
	data, err := json.MarshalIndent(ix, "", "\t")
	require.NoError(t, err)
	put("corpus.json", append(data, '\n'))
}

// first returns the first small case of which no tensor is empty and every bit
// counts; nil if there is none among a few.
func first(t *testing.T, make func(i int) (*cases.Case, error)) *cases.Case {
	for i := range 40 {
		c, err := make(i)
		require.NoError(t, err)
		size := 0
		fits := !c.Classes
		for _, a := range c.Args {
			fits = fits && len(a) > 0
			size += len(a)
		}
		if fits && size < 2000 {
			return c
		}
	}
	return nil
}

func sorted(by map[string][]*cases.Case) []string { return slices.Sorted(maps.Keys(by)) }

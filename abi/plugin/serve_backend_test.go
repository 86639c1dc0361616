package plugin

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	abiv1 "github.com/seedbed/seedbed/abi/v1"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/wire"
)

// counting counts what it compiles and what of it is not yet released.
type counting struct {
	Backend
	compiled, held int
}

func (b *counting) Compile(context.Context, *ir.Func) (Executable, error) {
	b.compiled++
	b.held++
	return countingExecutable{b: b}, nil
}

type countingExecutable struct {
	Executable
	b *counting
}

func (x countingExecutable) Memory() Memory { return Memory{Scratch: 64, Results: 4} }
func (x countingExecutable) Release()       { x.b.held-- }

func TestEqualProgramsAreCompiledOnce(t *testing.T) {
	b := &counting{}
	s := newBackendServer(b)
	compile := func(number uint64, op func(b *ir.Builder, x ir.Value) ir.Value) *abiv1.CompileResponse {
		build := ir.NewBuilder("main")
		build.Return("y", op(build, build.Param("x", ir.T(ir.F32, 2))))
		f, err := build.Func()
		require.NoError(t, err)
		m, err := wire.ToProto(&ir.Program{Funcs: []*ir.Func{f}})
		require.NoError(t, err)
		out, err := s.Compile(t.Context(), &abiv1.CompileRequest{Executable: number, Program: m, Profile: abiv1.Profile_PROFILE_EXACT})
		require.NoError(t, err)
		return out
	}
	release := func(numbers ...uint64) {
		_, err := s.Release(t.Context(), &abiv1.ReleaseRequest{Executables: numbers})
		require.NoError(t, err)
	}
	negate := func(b *ir.Builder, x ir.Value) ir.Value { return b.Negate(x) }
	double := func(b *ir.Builder, x ir.Value) ir.Value { return b.Add(x, x) }

	first, again, other := compile(1, negate), compile(2, negate), compile(3, double)
	assert.Equal(t, 2, b.compiled)
	assert.Equal(t, first.ProgramSha256, again.ProgramSha256)
	assert.NotEqual(t, first.ProgramSha256, other.ProgramSha256)
	assert.EqualValues(t, 64, again.ScratchBytes)
	assert.EqualValues(t, 4, again.ResultBytes)

	release(1)
	assert.Equal(t, 2, b.held, "another number names the program")
	compile(4, negate)
	assert.Equal(t, 2, b.compiled)
	release(2, 4)
	assert.Equal(t, 1, b.held)
	compile(5, negate)
	assert.Equal(t, 3, b.compiled, "what was released is compiled again")
	release(3, 5)
	assert.Zero(t, b.held)
	assert.Empty(t, s.programs)
}

package initial

import (
	"math"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parameter(kind plugin.InitKind, scale float64, n int) plugin.Parameter {
	return plugin.Parameter{Name: "w", Type: ir.T(ir.F32, n), Init: plugin.Init{Kind: kind, Scale: scale}}
}

// Mean and variance of n draws have standard errors of about sigma/sqrt(n) and
// sigma^2 sqrt(2/n); five of them is a bound that a fixed seed keeps for good.
func TestDistributions(t *testing.T) {
	const n = 100000
	for name, c := range map[string]struct {
		p     plugin.Parameter
		sigma float64
	}{
		"zeros":   {parameter(plugin.InitZeros, 0, n), 0},
		"normal":  {parameter(plugin.InitNormal, 0.02, n), 0.02},
		"uniform": {parameter(plugin.InitUniform, 0.3, n), 0.3 / math.Sqrt(3)},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := Values(c.p, 3, 42)
			require.NoError(t, err)
			var sum, square float64
			for _, v := range x {
				sum += float64(v)
				square += float64(v) * float64(v)
				if c.p.Init.Kind == plugin.InitUniform {
					require.LessOrEqual(t, math.Abs(float64(v)), float64(float32(0.3)))
				}
			}
			assert.InDelta(t, 0, sum/n, 5*c.sigma/math.Sqrt(n))
			assert.InDelta(t, c.sigma*c.sigma, square/n, 5*c.sigma*c.sigma*math.Sqrt(2.0/n))
		})
	}
	ones, err := Values(parameter(plugin.InitOnes, 0, 2), 0, 1)
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 1}, ones)
}

func TestValuesDependOnSeedAndIndexAlone(t *testing.T) {
	long, err := Values(parameter(plugin.InitNormal, 1, 99), 1, 7)
	require.NoError(t, err)
	short, err := Values(parameter(plugin.InitNormal, 1, 10), 1, 7)
	require.NoError(t, err)
	assert.Equal(t, long[:10], short)
	parts, err := Values(parameter(plugin.InitNormal, 1, 3*partSize+5), 1, 7)
	require.NoError(t, err)
	stream := numerics.Stream{Seed: 7, Stream: 1, Step: Step}
	for i, v := range parts {
		require.Equal(t, stream.NormalAt(uint64(i)), v, "element %d", i)
	}
	parts, err = Values(parameter(plugin.InitUniform, 2, 2*partSize+3), 1, 7)
	require.NoError(t, err)
	for i, v := range parts {
		require.Equal(t, numerics.FMA(stream.UniformAt(uint64(i)), 4, -2), v, "element %d", i)
	}
	for _, c := range []struct {
		index int
		seed  uint64
	}{{2, 7}, {1, 8}} {
		other, err := Values(parameter(plugin.InitNormal, 1, 10), c.index, c.seed)
		require.NoError(t, err)
		assert.NotEqual(t, short, other)
	}
}

func TestRefuses(t *testing.T) {
	_, err := Values(parameter("xavier", 1, 1), 0, 1)
	assert.EqualError(t, err, `parameter "w": unknown init "xavier"`)
	_, err = Values(plugin.Parameter{Name: "w", Type: ir.T(ir.BF16, 2)}, 0, 1)
	assert.EqualError(t, err, `parameter "w" is bf16[2]; initial values are f32`)
}

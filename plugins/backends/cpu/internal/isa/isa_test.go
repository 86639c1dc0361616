package isa

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	old := func(p Path) bool { return p < AVX512 }
	for name, c := range map[string]struct {
		env       string
		supported func(Path) bool
		want      Path
		err       string
	}{
		"unset takes the best":    {env: "", supported: old, want: AVX2},
		"unset without assembly":  {env: "", supported: func(p Path) bool { return p == Portable }, want: Portable},
		"a lesser path is obeyed": {env: "portable", supported: old, want: Portable},
		"the best by name":        {env: "avx2", supported: old, want: AVX2},
		"lacking":                 {env: "avx512", supported: old, err: `"avx512" needs instructions that this machine lacks; unset it to use avx2`},
		"unknown":                 {env: "AVX2", supported: old, err: `"AVX2" is no kernel path; use portable, avx2, avx512 or neon, or unset it to use avx2`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := choose(c.env, c.supported)
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestDetectReadsTheEnvironment(t *testing.T) {
	t.Setenv(EnvVar, "portable")
	p, err := Detect()
	require.NoError(t, err)
	assert.Equal(t, Portable, p)
	t.Setenv(EnvVar, "sse")
	_, err = Detect()
	assert.ErrorContains(t, err, "SEEDBED_CPU: ")
}

func TestSupported(t *testing.T) {
	assert.True(t, Portable.Supported())
	assert.False(t, Path(99).Supported())
	if runtime.GOARCH != "amd64" {
		assert.False(t, AVX2.Supported())
	}
	assert.Equal(t, runtime.GOARCH == "arm64", NEON.Supported())
	if AVX512.Supported() {
		assert.True(t, AVX2.Supported())
	}
}

func TestModes(t *testing.T) { require.NoError(t, CheckModes()) }

func TestPeak(t *testing.T) {
	for _, p := range Paths() {
		t.Run(p.String(), func(t *testing.T) {
			if !p.Supported() {
				t.Skipf("this machine cannot run %s", p)
			}
			one := Peak(p, 1)
			t.Logf("%.1f GFLOP/s on one core", one)
			assert.Greater(t, one, 0.1)
			if p == AVX2 {
				assert.Less(t, one, 2*2*8*7.0, "two fmas a cycle at 7 GHz")
			}
		})
	}
}

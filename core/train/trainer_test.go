package train

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/step"
	"github.com/seedbed/seedbed/datasets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests run in bubbles of package synctest: time passes when all wait, so
// that times are exact, and a goroutine that is left over is an error.

func begin(t *testing.T, c Config) *Trainer {
	t.Helper()
	x, err := New(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, x.Initialize(t.Context()))
	return x
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDevice(t)
		c, _ := fakeConfig(t, d)
		x := begin(t, c)
		for n := range uint64(4) {
			assert.Equal(t, n, x.Step())
			m, err := x.Next(t.Context(), 4)
			require.NoError(t, err)
			lr := 1 - float64(n)/10
			assert.InDelta(t, lr, m.LR, 1e-15)
			m.LR = 0
			assert.Equal(t, Metrics{
				Step: n, Loss: 1.5, Weight: 4, GradNorm: 3, Sums: map[string]float64{"hits": 5},
				// Three grains and the update.
				Wall: 4 * d.runTime, Idle: 0,
			}, m)
		}
		assert.Equal(t, []string{"grain", "next", "next", "update"}, d.queued[:4])
		assert.Len(t, d.queued, 16)
		x.Close()
		assert.Zero(t, d.alive, "buffers left on the device")
	})
}

// A step is queued before the last is waited for, InFlight at most, and none
// beyond until.
func TestStepsAreQueuedAhead(t *testing.T) {
	for inFlight := 1; inFlight <= 3; inFlight++ {
		t.Run(fmt.Sprint(inFlight), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newFakeDevice(t)
				c, _ := fakeConfig(t, d)
				c.InFlight = inFlight
				x := begin(t, c)
				defer x.Close()
				for n := range uint64(5) {
					_, err := x.Next(t.Context(), 5)
					require.NoError(t, err)
					queued := min(n+uint64(inFlight), 5)
					assert.Equal(t, queued, x.Queued())
					assert.Len(t, d.queued, 4*int(queued))
				}
				assert.LessOrEqual(t, d.most, 4*inFlight)
				assert.Greater(t, d.most, 4*(inFlight-1))
				_, err := x.Next(t.Context(), 5)
				assert.EqualError(t, err, "train: there is no step to wait for: step 5 is next, steps below 5 are to be queued")
				m, err := x.Next(t.Context(), 6)
				require.NoError(t, err)
				assert.EqualValues(t, 5, m.Step)
			})
		})
	}
}

// A stop in the middle: with until at Queued nothing more is queued, and what
// is in flight comes out.
func TestStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := fakeConfig(t, newFakeDevice(t))
		x := begin(t, c)
		defer x.Close()
		_, err := x.Next(t.Context(), 10)
		require.NoError(t, err)
		for x.Step() < x.Queued() {
			_, err := x.Next(t.Context(), x.Queued())
			require.NoError(t, err)
		}
		assert.EqualValues(t, 2, x.Step())
	})
}

func TestWallAndIdle(t *testing.T) {
	for name, c := range map[string]struct {
		took       time.Duration
		prefetch   int
		wall, idle time.Duration
	}{
		// One batch at a time, 15 ms each: the device waits 5 ms for each of three.
		"batches are slow": {15 * time.Millisecond, 1, 55 * time.Millisecond, 15 * time.Millisecond},
		// Two at a time keep up.
		"two at a time": {15 * time.Millisecond, 2, 40 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				config, binding := fakeConfig(t, newFakeDevice(t))
				config.Prefetch, binding.took = c.prefetch, c.took
				x := begin(t, config)
				defer x.Close()
				var wall, idle time.Duration
				const steps = 12
				for n := range uint64(steps) {
					m, err := x.Next(t.Context(), steps)
					require.NoError(t, err)
					assert.LessOrEqual(t, m.Idle, m.Wall)
					if n >= steps/2 {
						wall, idle = wall+m.Wall, idle+m.Idle
					}
				}
				synctest.Wait()
				assert.Equal(t, c.prefetch, binding.most)
				assert.LessOrEqual(t, wall, steps/2*c.wall)
				assert.GreaterOrEqual(t, wall, steps/2*40*time.Millisecond)
				if c.idle == 0 {
					assert.Zero(t, idle)
				} else {
					assert.Equal(t, wall-steps/2*40*time.Millisecond, idle)
					assert.NotZero(t, idle)
				}
			})
		})
	}
}

// What the host does between two steps with nothing to run is idle time; what
// it does with the state is not.
func TestPausesAreNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := fakeConfig(t, newFakeDevice(t))
		x := begin(t, c)
		defer x.Close()
		time.Sleep(time.Second)
		m, err := x.Next(t.Context(), 1)
		require.NoError(t, err)
		assert.Equal(t, 40*time.Millisecond, m.Wall)
		time.Sleep(time.Second)
		m, err = x.Next(t.Context(), 2)
		require.NoError(t, err)
		assert.Equal(t, 1040*time.Millisecond, m.Wall)
		assert.Equal(t, time.Second, m.Idle)
		require.NoError(t, x.Visit(t.Context(), func(string, ir.Type, []byte) error { time.Sleep(time.Second); return nil }))
		m, err = x.Next(t.Context(), 3)
		require.NoError(t, err)
		assert.Equal(t, 40*time.Millisecond, m.Wall)
		assert.Zero(t, m.Idle)
	})
}

// Rows and positions are those of the run's order, whatever is made ahead, and
// at most Prefetch batches are.
func TestBatches(t *testing.T) {
	for prefetch := 1; prefetch <= 4; prefetch++ {
		t.Run(fmt.Sprint(prefetch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, binding := fakeConfig(t, newFakeDevice(t))
				c.Prefetch, c.InFlight = prefetch, 1
				fields := 0
				c.NewFields = countFields(&fields)
				x := begin(t, c)
				for n := range 3 {
					_, err := x.Next(t.Context(), 3)
					require.NoError(t, err)
					synctest.Wait()
					assert.Equal(t, 3*(n+1)+prefetch, binding.made())
				}
				order := datasets.Order{Seed: 5, Len: 100, Shuffle: true}
				for n := range 9 {
					at := plugin.Position{Seed: 5, Step: uint64(n / 3), Grain: uint64(n % 3)}
					var want []int64
					for i := range 2 {
						_, row := order.At(int64(2*n + i))
						want = append(want, row)
					}
					assert.Equal(t, want, binding.rows[at])
				}
				assert.Equal(t, prefetch+3, fields)
				x.Close()
				assert.Zero(t, fields)
			})
		})
	}
}

// An error comes out once, as that of its step, after the metrics of those
// before; then everything says that the run has failed, and Close is clean.
func TestErrors(t *testing.T) {
	bad := errors.New("bad")
	for name, c := range map[string]struct {
		change func(c *Config, d *fakeDevice, b *fakeBinding)
		steps  int // that are good
		want   string
		is     error
	}{
		"a grain's run": {func(_ *Config, d *fakeDevice, _ *fakeBinding) { d.failRun = 4*2 + 1 }, 2, "step 3: grain 2: run: the fake failed", errFake},
		"an update":     {func(_ *Config, d *fakeDevice, _ *fakeBinding) { d.failRun = 4*1 + 3 }, 1, "step 2: update: run: the fake failed", errFake},
		"a combination": {func(c *Config, d *fakeDevice, _ *fakeBinding) { c.Shards = 3; d.failRun = 6*1 + 4 }, 1, "step 2: combining chains: run: the fake failed", errFake},
		"the first run": {func(_ *Config, d *fakeDevice, _ *fakeBinding) { d.failRun = 0 }, 0, "step 1: grain 1: run: the fake failed", errFake},
		"queueing a grain": {func(_ *Config, d *fakeDevice, _ *fakeBinding) { d.failQueue = 4*2 + 1 }, 2,
			"step 3: grain 2: queue: the fake failed", errFake},
		"queueing an update": {func(_ *Config, d *fakeDevice, _ *fakeBinding) { d.failQueue = 4*2 + 3 }, 2,
			"step 3: update: queue: the fake failed", errFake},
		"queueing a combination": {func(c *Config, d *fakeDevice, _ *fakeBinding) { c.Shards = 3; d.failQueue = 6*1 + 2 }, 1,
			"step 2: combining chains: queue: the fake failed", errFake},
		"queueing a grain when others are combined": {func(c *Config, d *fakeDevice, _ *fakeBinding) { c.Shards = 3; d.failQueue = 6*1 + 3 }, 1,
			"step 2: grain 3: queue: the fake failed", errFake},
		"the objective": {func(_ *Config, _ *fakeDevice, b *fakeBinding) {
			b.fail = func(at plugin.Position) error {
				if at.Step == 2 && at.Grain == 2 {
					return bad
				}
				return nil
			}
		}, 2, "step 3: grain 3: objective: bad", bad},
		"two batches, the later first": {func(c *Config, _ *fakeDevice, b *fakeBinding) {
			c.Prefetch = 3
			b.fail = func(at plugin.Position) error {
				if at.Step == 1 && at.Grain == 1 {
					time.Sleep(time.Second)
				}
				if at.Step == 1 && at.Grain > 0 {
					return fmt.Errorf("%d: %w", at.Grain, bad)
				}
				return nil
			}
		}, 1, "step 2: grain 2: objective: 1: bad", bad},
		"the dataset": {func(c *Config, _ *fakeDevice, _ *fakeBinding) {
			reads := 0
			c.Prefetch = 1
			c.Rows = fakeRows{n: 100, fail: func([]int64) error {
				if reads++; reads == 5 {
					return bad
				}
				return nil
			}}
		}, 1, "step 2: grain 2: reading rows: bad", bad},
	} {
		for inFlight := 1; inFlight <= 3; inFlight++ {
			t.Run(fmt.Sprintf("%s, %d in flight", name, inFlight), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newFakeDevice(t)
					config, binding := fakeConfig(t, d)
					config.InFlight = inFlight
					c.change(&config, d, binding)
					x := begin(t, config)
					for n := range c.steps {
						m, err := x.Next(t.Context(), 10)
						require.NoError(t, err, n)
						assert.EqualValues(t, n, m.Step)
					}
					_, err := x.Next(t.Context(), 10)
					assert.EqualError(t, err, c.want)
					assert.ErrorIs(t, err, c.is)
					_, again := x.Next(t.Context(), 10)
					assert.ErrorContains(t, again, "train: the run has failed, and can only be closed: "+c.want)
					assert.ErrorIs(t, again, c.is)
					assert.ErrorIs(t, x.Visit(t.Context(), nil), c.is)
					assert.ErrorIs(t, x.Restore(t.Context(), 0, nil), c.is)
					assert.EqualValues(t, c.steps, x.Step())
					x.Close()
					assert.Zero(t, d.alive, "buffers left on the device")
				})
			})
		}
	}
}

// A step that could not be queued leaves no state to look at, though the steps
// before it have not come out yet.
func TestStateAfterBrokenStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDevice(t)
		d.failQueue = 4 + 3
		c, _ := fakeConfig(t, d)
		x := begin(t, c)
		defer x.Close()
		_, err := x.Next(t.Context(), 10)
		require.NoError(t, err)
		assert.ErrorContains(t, x.Visit(t.Context(), nil), "a step has failed")
		_, err = x.Next(t.Context(), 10)
		assert.ErrorIs(t, err, errFake)
	})
}

func TestContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, took := range []time.Duration{0, time.Hour} { // waiting for a run, for a batch
			d := newFakeDevice(t)
			if took == 0 {
				d.hang = 5
			}
			c, binding := fakeConfig(t, d)
			c.InFlight = 1
			binding.took = took
			x := begin(t, c)
			if took == 0 {
				_, err := x.Next(t.Context(), 10)
				require.NoError(t, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := x.Next(ctx, 10)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			x.Close()
			assert.Zero(t, d.alive)
		}
	})
}

// Close does not wait for runs that never end; the memory that they read is
// not given back.
func TestCloseDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDevice(t)
		d.hang = 6
		c, _ := fakeConfig(t, d)
		fields := 0
		c.NewFields = countFields(&fields)
		x := begin(t, c)
		_, err := x.Next(t.Context(), 10)
		require.NoError(t, err)
		time.Sleep(time.Second)
		x.Close()
		assert.Equal(t, 1, fields) // of grain 2 of step 1
		x.Close()                  // again
		_, err = x.Next(t.Context(), 10)
		assert.ErrorContains(t, err, "it was closed")
	})
}

func TestWeightOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer func(v float32) { hostValues[step.SumPrefix+step.Weight] = v }(hostValues[step.SumPrefix+step.Weight])
		hostValues[step.SumPrefix+step.Weight] = 0
		c, _ := fakeConfig(t, newFakeDevice(t))
		x := begin(t, c)
		defer x.Close()
		_, err := x.Next(t.Context(), 1)
		assert.EqualError(t, err, "step 1: the batch has weight 0: nothing in it counts")
	})
}

// A parameter and its average begin with values that are drawn once.
func TestFirstValuesAreDrawnOnce(t *testing.T) {
	d := newFakeDevice(t)
	c, _ := fakeConfig(t, d)
	c.Module.Parameters[0].Init = plugin.Init{Kind: plugin.InitNormal, Scale: 1}
	c.Optimizer.EMADecay = 0.9
	begin(t, c).Close()
	drawn := map[string]int{}
	for _, op := range d.first.Ops {
		drawn[op.Name]++
	}
	assert.Equal(t, 1, drawn["random_normal"])
	assert.Equal(t, d.first.Results[d.first.Result("w")].Value, d.first.Results[d.first.Result("ema.w")].Value)
	assert.Zero(t, d.alive)
}

func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDevice(t)
		c, binding := fakeConfig(t, d)
		x, err := New(t.Context(), c)
		require.NoError(t, err)
		_, err = x.Next(t.Context(), 1)
		assert.ErrorContains(t, err, "the parameters have no values yet")
		assert.Nil(t, x.Parameter("w"))
		require.NoError(t, x.Initialize(t.Context()))
		assert.NotNil(t, x.Parameter("w"))
		assert.Nil(t, x.Parameter("v"))
		_, err = x.Next(t.Context(), 10) // another is in flight
		require.NoError(t, err)

		var names []string
		require.NoError(t, x.Visit(t.Context(), func(name string, typ ir.Type, data []byte) error {
			names = append(names, name)
			assert.Len(t, data, typ.Bytes())
			return nil
		}))
		assert.Equal(t, []string{"w", "exp_avg.w", "exp_avg_sq.w"}, names)
		stop := errors.New("stop")
		assert.ErrorIs(t, x.Visit(t.Context(), func(string, ir.Type, []byte) error { return stop }), stop)

		assert.ErrorIs(t, x.Restore(t.Context(), 7, func(string, ir.Type) ([]byte, error) { return nil, stop }), stop)
		_, err = x.Next(t.Context(), 10)
		assert.ErrorContains(t, err, "have no values", "after half of a restore")
		assert.ErrorContains(t, x.Restore(t.Context(), 7, func(string, ir.Type) ([]byte, error) { return make([]byte, 4), nil }),
			`restoring "w": f32[2] has 8 bytes, is given 4`)
		require.NoError(t, x.Restore(t.Context(), 7, func(_ string, typ ir.Type) ([]byte, error) { return make([]byte, typ.Bytes()), nil }))
		m, err := x.Next(t.Context(), 8)
		require.NoError(t, err)
		assert.EqualValues(t, 7, m.Step)
		synctest.Wait()
		assert.Contains(t, binding.rows, plugin.Position{Seed: 5, Step: 7, Grain: 2})
		x.Close()
		assert.Zero(t, d.alive)
	})
}

func TestMemory(t *testing.T) {
	for shards, sets := range map[int]int64{1: 1, 2: 2, 3: 2, 4: 3, 6: 3, 8: 4} {
		d := newFakeDevice(t)
		c, _ := fakeConfig(t, d)
		c.Shards, c.Grains = shards, 2*shards
		x, err := Prepare(c)
		require.NoError(t, err)
		// A parameter is 8 bytes, a grain gives three scalars and a gradient.
		want := MemoryPlan{Parameters: 8, Slots: 16, Gradients: sets * 20, Batches: (8 + batchBytes) * int64(2+2*2*shards)}
		m, err := x.Memory()
		require.NoError(t, err)
		assert.Equal(t, want, m, "before anything is compiled")
		assert.Zero(t, d.programs)
		assert.ErrorContains(t, x.Initialize(t.Context()), "Compile comes first")
		require.NoError(t, x.Compile(t.Context()))
		want.Scratch, want.Results = 400, 3
		m, err = x.Memory()
		require.NoError(t, err)
		assert.Equal(t, want, m, shards)
		assert.Equal(t, 8+16+sets*20+400+3+2*m.Batches, m.Total())
		other := MemoryPlan{Scratch: 500, Results: 2, Batches: 7}
		want.Scratch, want.Batches = 500, want.Batches+7
		assert.Equal(t, want, m.Beside(other))
		x.Close()
		assert.Zero(t, d.programs)
	}
}

// The largest product is what a function takes at least, with what it is made
// of: not parameters, and not what only looks large.
func TestLeastScratch(t *testing.T) {
	f32 := func(shape ...int) ir.Type { return ir.T(ir.F32, shape...) }
	info := newFakeDevice(t).Info()
	for name, c := range map[string]struct {
		want  int
		build func(b *ir.Builder, x, w ir.Value) ir.Value
	}{
		"parameters": {4 * 100 * 7, func(b *ir.Builder, x, w ir.Value) ir.Value { return b.MatMul(x, w) }},
		"computed":   {4 * (100*5 + 100*7), func(b *ir.Builder, x, w ir.Value) ir.Value { return b.MatMul(b.Exp(x), w) }},
		"moved": {4 * (100*5 + 100*7), func(b *ir.Builder, x, w ir.Value) ir.Value {
			return b.MatMul(b.Transpose(b.Reshape(b.Exp(b.Transpose(x, 1, 0)), 5, 100), 1, 0), w)
		}},
		"spread out": {4 * (5 + 100*7), func(b *ir.Builder, x, w ir.Value) ir.Value {
			return b.MatMul(b.BroadcastInDim(b.Exp(b.ReduceSum(x, 0)), []int{100, 5}, []int{1}), w)
		}},
		"the largest": {4 * (100*7 + 100*100), func(b *ir.Builder, x, w ir.Value) ir.Value {
			y := b.MatMul(x, w)
			return b.MatMul(y, b.Transpose(y, 1, 0))
		}},
		"none": {0, func(b *ir.Builder, x, w ir.Value) ir.Value { return b.Exp(x) }},
	} {
		b := ir.NewBuilder("f")
		x, w := b.Param("x", f32(100, 5)), b.Param("w", f32(5, 7))
		b.Return("y", c.build(b, x, w))
		f, err := b.Func()
		require.NoError(t, err, name)
		got, err := leastScratch(f, info)
		require.NoError(t, err, name)
		assert.EqualValues(t, c.want, got, name)
	}
}

// Whichever program does not compile, the error says so and nothing is left.
func TestCompileFails(t *testing.T) {
	for _, name := range []string{"grain", "next", "combine", "update"} {
		d := newFakeDevice(t)
		d.failCompile = name
		c, _ := fakeConfig(t, d)
		c.Shards, c.Grains = 2, 4
		_, err := New(t.Context(), c)
		assert.ErrorIs(t, err, errFake, name)
		assert.Zero(t, d.programs, name)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"0 rows a grain, 3 grains":                      func(c *Config) { c.GrainRows = 0 },
		"prefetch -1":                                   func(c *Config) { c.Prefetch = -1 },
		"-2 steps in flight":                            func(c *Config) { c.InFlight = -2 },
		"2 shards do not divide the 3 grains of a step": func(c *Config) { c.Shards = 2 },
		`schedule: name "x"`:                            func(c *Config) { c.Schedule.Name = "x" },
		`unknown optimizer "x"`:                         func(c *Config) { c.Optimizer.Name = "x" },
		"has the name of a parameter, a buffer or another": func(c *Config) {
			c.Module.Parameters[0].Name = "x"
			c.Module.Forward.Params[0].Name, c.Module.Forward.Params[1].Name = "x", "v"
		},
	} {
		c, _ := fakeConfig(t, newFakeDevice(t))
		change(&c)
		_, err := New(t.Context(), c)
		assert.ErrorContains(t, err, want)
	}
}

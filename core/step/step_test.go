package step

import (
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func f32(shape ...int) ir.Type { return ir.T(ir.F32, shape...) }

// noisy is a model with dropout and its loss; the loss draws bits of its own if
// draws is true.
func noisy(t *testing.T, draws bool) (*plugin.Module, *ir.Func, []ir.Param) {
	b := ir.NewBuilder("forward")
	bias, w := b.Param("bias", f32(3)), b.Param("w", f32(2, 3))
	x, state := b.Param("x", f32(4, 2)), b.Param(State, ir.T(ir.U32, 4))
	y := b.Dropout(b.MatMul(b.Dropout(x, state, 0.5), w), state, 0.25)
	b.Return("y", b.Add(y, b.BroadcastTo(bias, 4, 3)))
	b.Return("raw", b.Dropout(x, state, 0.1))
	forward, err := b.Func()
	require.NoError(t, err)
	m := &plugin.Module{Forward: forward, Parameters: []plugin.Parameter{
		{Name: "bias", Type: f32(3), Init: plugin.Init{Kind: plugin.InitZeros}, NoDecay: true},
		{Name: "w", Type: f32(2, 3), Init: plugin.Init{Kind: plugin.InitOnes}},
	}}
	b = ir.NewBuilder("loss")
	z := b.Param("y", f32(4, 3))
	if draws {
		noise := b.Convert(b.RngBitGenerator(b.Param(State, ir.T(ir.U32, 4)), 9, 4, 3), ir.F32)
		z = b.Add(z, noise)
	}
	b.Return(Loss, b.ReduceDot(z, z, 0, 1))
	b.Return(Weight, b.Full(f32(), 4))
	b.Return("hits", b.ReduceSum(z, 0, 1))
	loss, err := b.Func()
	require.NoError(t, err)
	return m, loss, []ir.Param{{Name: "x", Type: f32(4, 2)}}
}

func params(f *ir.Func) (l []string) {
	for _, p := range f.Params {
		l = append(l, p.Name)
	}
	return l
}

func results(f *ir.Func) (l []string) {
	for _, r := range f.Results {
		l = append(l, r.Name)
	}
	return l
}

func count(f *ir.Func) map[string]int {
	n := map[string]int{}
	for _, op := range f.Ops {
		n[op.Name]++
	}
	return n
}

func TestFunctionsOfAStep(t *testing.T) {
	m, loss, batch := noisy(t, true)
	linked, err := Link(m, loss, batch)
	require.NoError(t, err)
	assert.Equal(t, []string{"bias", "w", "x", State}, params(linked))
	assert.Equal(t, []string{Loss, Weight, "hits"}, results(linked))

	first, next, err := Grain(joined(t, m), linked)
	require.NoError(t, err)
	sums := []string{Loss, Weight, "hits", "grad.bias", "grad.w"}
	assert.Equal(t, params(linked), params(first))
	assert.Equal(t, sums, results(first))
	assert.Equal(t, append(params(linked), "acc.loss", "acc.weight", "acc.hits", "acc.grad.bias", "acc.grad.w"), params(next))
	assert.Equal(t, sums, results(next))

	combine, err := Combine(first)
	require.NoError(t, err)
	assert.Equal(t, sums, results(combine))
	assert.Equal(t, map[string]int{"add": 5}, count(combine))
	for i, r := range combine.Results {
		op := combine.Ops[i]
		assert.Equal(t, r.Value, op.Result(0))
		assert.Equal(t, []ir.Value{ir.Value(i), ir.Value(5 + i)}, op.Operands, "left + right")
	}

	for name, c := range map[string]struct {
		slots, scalars []string
	}{
		"adamw": {[]string{"exp_avg", "exp_avg_sq"}, []string{"step.correction", "step.decay", "step.step_size"}},
		"sgd":   {[]string{"momentum_buffer"}, []string{"step.decay", "step.lr"}},
	} {
		o := Optimizer{Name: name}
		update, err := Update(joined(t, m), 1, o, Objective{First: first})
		require.NoError(t, err)
		state := []string{"bias", "w"}
		for _, s := range c.slots {
			state = append(state, s+".bias", s+".w")
		}
		host := []string{"sum.loss", "sum.weight", "sum.hits"}
		in := append(append(append(append([]string{}, state...), "grad.bias", "grad.w"), host...), c.scalars...)
		assert.Equal(t, in, params(update))
		assert.Equal(t, append(append(append([]string{}, state...), GradNorm), host...), results(update))
		assert.Equal(t, append([]string{GradNorm}, host...), HostResults(Objective{First: first}))
		assert.Equal(t, 2, count(update)[name])
		for _, s := range host { // as they are
			assert.EqualValues(t, update.Param(s), update.Results[update.Result(s)].Value)
		}
		var names []string
		for _, n := range o.ScalarNames() {
			names = append(names, HostPrefix+n)
			assert.Contains(t, o.Scalars(0.1, 0), n)
		}
		assert.Equal(t, c.scalars, names)
		assert.Len(t, o.Scalars(0.1, 0), len(names))
	}
}

// Buffers go through a step beside gradients, and are there in evaluation.
func TestBuffers(t *testing.T) {
	f32 := ir.T(ir.F32, 2)
	b := ir.NewBuilder("forward")
	w, x := b.Param("w", f32), b.Param("x", f32)
	b.Return("buffer.mean", x)
	b.Return("y", b.Mul(w, x))
	forward, err := b.Func()
	require.NoError(t, err)
	b = ir.NewBuilder("evaluate")
	w, mean, x := b.Param("w", f32), b.Param("mean", f32), b.Param("x", f32)
	b.Return("y", b.FMA(w, x, mean))
	evaluate, err := b.Func()
	require.NoError(t, err)
	m := &plugin.Module{
		Forward: forward, Evaluate: evaluate,
		Parameters: []plugin.Parameter{{Name: "w", Type: f32, Init: plugin.Init{Kind: plugin.InitOnes}}},
		Buffers:    []plugin.ModelBuffer{{Name: "mean", Type: f32, Init: plugin.Init{Kind: plugin.InitZeros}, Decay: 0.75}},
	}
	lossOf := func(extra string) *ir.Func {
		b := ir.NewBuilder("loss")
		y := b.Param("y", f32)
		b.Return(Loss, b.ReduceDot(y, y, 0))
		b.Return(Weight, b.Full(ir.T(ir.F32), 2))
		if extra != "" {
			b.Return(extra, b.ReduceSum(y, 0))
		}
		loss, err := b.Func()
		require.NoError(t, err)
		return loss
	}
	batch := []ir.Param{{Name: "x", Type: f32}}
	linked, err := Link(m, lossOf(""), batch)
	require.NoError(t, err)
	assert.Equal(t, []string{"w", "x"}, params(linked))
	assert.Equal(t, []string{Loss, Weight, "buffer.mean"}, results(linked))
	first, next, err := Grain(joined(t, m), linked)
	require.NoError(t, err)
	assert.Equal(t, []string{Loss, Weight, "buffer.mean", "grad.w"}, results(first))
	assert.Equal(t, results(first), results(next))
	update, err := Update(joined(t, m), 3, Optimizer{Name: "sgd"}, Objective{First: first})
	require.NoError(t, err)
	assert.Equal(t, []string{"w", "mean", "momentum_buffer.w", "grad.w", "buffer.mean", "sum.loss", "sum.weight", "step.decay", "step.lr"}, params(update))
	assert.Equal(t, []string{"w", "mean", "momentum_buffer.w", GradNorm, "sum.loss", "sum.weight"}, results(update))
	assert.Equal(t, 1, count(update)["ema"])
	f, err := Evaluation(m, lossOf(""), batch)
	require.NoError(t, err)
	assert.Equal(t, []string{"w", "mean", "x"}, params(f))
	assert.Equal(t, []string{Loss, Weight}, results(f))
	for _, name := range []string{"buffer.mean", "buffer.other", "grad.w"} {
		_, err = Link(m, lossOf(name), batch)
		assert.ErrorContains(t, err, `the loss returns "`+name+`"; names that begin so are the host's own`)
	}
	_, err = Evaluation(m, lossOf(""), []ir.Param{{Name: "x", Type: f32}, {Name: "mean", Type: f32}})
	assert.ErrorContains(t, err, `the batch's field "mean" has the name of a parameter, a buffer or another field`)
}

// A parameter that is exempt from decay has a decay of zero, whatever the
// step's is.
func TestNoDecay(t *testing.T) {
	m, loss, batch := noisy(t, false)
	linked, err := Link(m, loss, batch)
	require.NoError(t, err)
	first, _, err := Grain(joined(t, m), linked)
	require.NoError(t, err)
	update, err := Update(joined(t, m), 1, Optimizer{Name: "sgd", WeightDecay: 0.5}, Objective{First: first})
	require.NoError(t, err)
	decay := ir.Value(update.Param("step.decay"))
	seen := 0
	for _, op := range update.Ops {
		if op.Name != "sgd" {
			continue
		}
		seen++
		if op.Operands[0] == ir.Value(update.Param("w")) {
			assert.Equal(t, decay, op.Operands[5])
			continue
		}
		zero := op.Operands[5]
		assert.NotEqual(t, decay, zero)
		for _, c := range update.Ops {
			if c.Result(0) == zero {
				assert.Equal(t, "constant", c.Name)
				assert.Equal(t, make([]byte, 4), c.Attrs.Bytes("value"))
			}
		}
	}
	assert.Equal(t, 2, seen)
}

// Host scalars against their formulas (rule 16).
func TestScalars(t *testing.T) {
	a := Optimizer{Name: "adamw", Beta1: 0.9, Beta2: 0.999, WeightDecay: 0.1}
	b1, b2 := 1.0, 1.0
	for n := range uint64(20) {
		b1, b2 = float64(b1*0.9), float64(b2*0.999)
		lr := 0.003 / float64(n+1)
		got := a.Scalars(lr, n)
		assert.InEpsilon(t, lr/(1-b1), got["step_size"], 0x1p-23)
		assert.InEpsilon(t, float64(numerics.Sqrt(float32(1-b2))), got["correction"], 0x1p-22)
		assert.Equal(t, float32(lr*0.1), got["decay"])
	}
	s := Optimizer{Name: "sgd", WeightDecay: 0.1}.Scalars(0.5, 3)
	assert.Equal(t, map[string]float32{"lr": 0.5, "decay": float32(0.05)}, s)
}

func TestUpdateRefuses(t *testing.T) {
	m, loss, batch := noisy(t, false)
	linked, err := Link(m, loss, batch)
	require.NoError(t, err)
	_, err = Update(joined(t, m), 1, Optimizer{Name: "lion"}, Objective{First: linked})
	assert.EqualError(t, err, `unknown optimizer "lion"; there are adamw, sgd and lars`)
	m.Parameters[1].Type.DType = ir.BF16
	_, err = Update(joined(t, m), 1, Optimizer{Name: "sgd"}, Objective{First: linked})
	assert.EqualError(t, err, `parameter "w" is bf16[2,3]; the optimizer keeps f32 parameters`)
	m, _, _ = noisy(t, false)
	_, err = Update(joined(t, m), 1, Optimizer{Name: "sgd"}, Objective{First: m.Forward})
	assert.EqualError(t, err, `func forward gives no "weight"`)
}

// Dropout is gone with all that only it needed; what else draws bits stays.
func TestWithoutDropout(t *testing.T) {
	for _, draws := range []bool{false, true} {
		m, loss, batch := noisy(t, draws)
		linked, err := Link(m, loss, batch)
		require.NoError(t, err)
		f, err := WithoutDropout(linked)
		require.NoError(t, err)
		require.NoError(t, f.Verify())
		want := []string{"bias", "w", "x"}
		if draws {
			want = append(want, State)
		}
		assert.Equal(t, want, params(f))
		assert.Equal(t, results(linked), results(f))
		assert.Zero(t, count(f)["dropout"])
		assert.Equal(t, count(linked)["rng_bit_generator"], count(f)["rng_bit_generator"])
		assert.Equal(t, 3, count(linked)["dropout"])
	}
	// A result that is dropout's is its operand; without any, nothing changes.
	m, loss, _ := noisy(t, false)
	f, err := WithoutDropout(m.Forward)
	require.NoError(t, err)
	assert.EqualValues(t, f.Param("x"), f.Results[f.Result("raw")].Value)
	same, err := WithoutDropout(loss)
	require.NoError(t, err)
	assert.Equal(t, (&ir.Program{Funcs: []*ir.Func{loss}}).String(), (&ir.Program{Funcs: []*ir.Func{same}}).String())
}

func TestLinkErrors(t *testing.T) {
	for want, change := range map[string]func(m *plugin.Module, loss *ir.Func){
		"model: the module has no forward function": func(m *plugin.Module, _ *ir.Func) { m.Forward = nil },
		"objective: func loss: op 0 (reduce_dot)":   func(_ *plugin.Module, loss *ir.Func) { loss.Ops[0].Operands[0] = 99 },
		`objective: the result "hits" of the loss is f32[4,3], must be f32[]`: func(_ *plugin.Module, loss *ir.Func) {
			loss.Results[2].Value = 0
		},
	} {
		m, loss, batch := noisy(t, false)
		change(m, loss)
		_, err := Link(m, loss, batch)
		assert.ErrorContains(t, err, want)
	}
}

// joined are the weights of one module.
func joined(t *testing.T, m *plugin.Module) *Weights {
	w, err := Join(nil, m)
	require.NoError(t, err)
	return w
}

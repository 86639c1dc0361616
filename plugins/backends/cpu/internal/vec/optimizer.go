package vec

import "github.com/seedbed/seedbed/abi/numerics"

// AdamWStep holds the scalars of one step, computed by the host (rule 16).
type AdamWStep struct {
	Weight, Clip                 float32 // the gradient is (g / Weight) * Clip
	OneMinusBeta1                float32
	Beta2, OneMinusBeta2         float32
	Decay                        float32 // learning rate * weight decay
	StepSize                     float32 // learning rate / (1 - beta1^t)
	SqrtBiasCorrection2, Epsilon float32 // sqrt(1 - beta2^t)
}

// AdamW updates parameters p and moments m, v by gradients g as PyTorch's AdamW does; every operation rounds:
//
//	d = (g / Weight) * Clip
//	m = fma(OneMinusBeta1, d - m, m)
//	v = fma(OneMinusBeta2, d*d, Beta2*v)
//	p = fma(-Decay, p, p) - (StepSize*m) / (sqrt(v)/SqrtBiasCorrection2 + Epsilon)
func AdamW(p, g, m, v []float32, s AdamWStep) {
	mustEqual(len(g), len(p))
	mustEqual(len(m), len(p))
	mustEqual(len(v), len(p))
	if active != nil {
		active.adamw(ptr(p), ptr(m), ptr(v), ptr(g), len(p), s.Weight, s.Clip, s.OneMinusBeta1, s.Beta2, s.OneMinusBeta2, s.Decay, s.StepSize, s.SqrtBiasCorrection2, s.Epsilon)
		return
	}
	for i := range p {
		d := float32(g[i] / s.Weight * s.Clip)
		m[i] = numerics.FMA(s.OneMinusBeta1, d-m[i], m[i])
		v[i] = numerics.FMA(s.OneMinusBeta2, d*d, s.Beta2*v[i])
		decayed := numerics.FMA(-s.Decay, p[i], p[i])
		p[i] = decayed - s.StepSize*m[i]/(numerics.Sqrt(v[i])/s.SqrtBiasCorrection2+s.Epsilon)
	}
}

// SGDStep holds the scalars of one step.
type SGDStep struct {
	Weight, Clip float32 // the gradient is (g / Weight) * Clip
	Momentum     float32
	Decay        float32 // learning rate * weight decay
	LearningRate float32
}

// SGD updates parameters p and momentum m by gradients g; every operation rounds:
//
//	m = fma(Momentum, m, (g / Weight) * Clip)
//	p = fma(-LearningRate, m, fma(-Decay, p, p))
func SGD(p, g, m []float32, s SGDStep) {
	mustEqual(len(g), len(p))
	mustEqual(len(m), len(p))
	if active != nil {
		active.sgd(ptr(p), ptr(m), ptr(g), len(p), s.Weight, s.Clip, s.Momentum, s.Decay, s.LearningRate)
		return
	}
	for i := range p {
		m[i] = numerics.FMA(s.Momentum, m[i], g[i]/s.Weight*s.Clip)
		p[i] = numerics.FMA(-s.LearningRate, m[i], numerics.FMA(-s.Decay, p[i], p[i]))
	}
}

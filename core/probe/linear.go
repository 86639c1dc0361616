package probe

import (
	"fmt"
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

// Set is features of examples and their classes.
type Set struct {
	Width  int       // features of an example
	X      []float32 // [len(Labels), Width]
	Labels []int32
}

// check returns the number of classes.
func (s *Set) check() (int, error) {
	if s.Width < 1 || len(s.Labels) == 0 || len(s.X) != s.Width*len(s.Labels) {
		return 0, fmt.Errorf("probe: %d values and %d labels are not of examples of %d features", len(s.X), len(s.Labels), s.Width)
	}
	classes := int32(0)
	for i, l := range s.Labels {
		if l < 0 || l > 1<<16 {
			return 0, fmt.Errorf("probe: example %d has label %d", i, l)
		}
		classes = max(classes, l+1)
	}
	return int(classes), nil
}

// How the classifier learns. Other rates, penalties and lengths change what it
// tells of the pixels of handwritten digits by less than half a percent.
const (
	epochs    = 20
	batchSize = 64
	rate      = 0.005
	decay     = 1e-3 // of the weights, as a part of the loss
)

// Accuracy trains multinomial logistic regression on some examples and returns
// the part of others whose class it tells. Features are brought to mean 0 and
// variance 1 over the examples that it learns from; it learns by Adam, its
// rate falling in a straight line, in a fixed order.
func Accuracy(train, test *Set) (float64, error) {
	classes, err := train.check()
	if err != nil {
		return 0, err
	}
	if _, err := test.check(); err != nil {
		return 0, err
	}
	if train.Width != test.Width {
		return 0, fmt.Errorf("probe: %d features to learn from and %d to test", train.Width, test.Width)
	}
	shift, scale := train.moments()
	c := newClassifier(train.Width, classes)
	n := len(train.Labels)
	x := train.normalized(shift, scale)
	steps := epochs * ((n + batchSize - 1) / batchSize)
	for step, at := 0, 0; step < steps; step++ {
		c.begin()
		for range batchSize {
			// A prime steps through all examples before it comes back.
			i := int(uint64(at) * 7919 % uint64(n))
			at++
			c.learn(x[i*train.Width:][:train.Width], int(train.Labels[i]))
		}
		c.update(step, rate*float64(steps-step)/float64(steps))
	}
	hits := 0
	y := test.normalized(shift, scale)
	for i, l := range test.Labels {
		if c.predict(y[i*test.Width:][:test.Width]) == int(l) {
			hits++
		}
	}
	return float64(hits) / float64(len(test.Labels)), nil
}

// moments returns each feature's mean and the reciprocal of its deviation, 0
// where it is constant.
func (s *Set) moments() (mean, scale []float64) {
	mean, scale = make([]float64, s.Width), make([]float64, s.Width)
	n := float64(len(s.Labels))
	for i, v := range s.X {
		mean[i%s.Width] += float64(v) / n
	}
	for i, v := range s.X {
		d := float64(v) - mean[i%s.Width]
		scale[i%s.Width] += float64(d*d) / n
	}
	for k, v := range scale {
		if scale[k] = 0; v > 1e-12 {
			scale[k] = 1 / math.Sqrt(v)
		}
	}
	return mean, scale
}

func (s *Set) normalized(mean, scale []float64) []float64 {
	out := make([]float64, len(s.X))
	for i, v := range s.X {
		out[i] = float64((float64(v) - mean[i%s.Width]) * scale[i%s.Width])
	}
	return out
}

// classifier is logistic regression and the state of Adam.
type classifier struct {
	width, classes int
	w, g, m, v     []float64 // [classes, width+1], the bias last
	logits         []float64
}

func newClassifier(width, classes int) *classifier {
	n := classes * (width + 1)
	return &classifier{width, classes, make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, classes)}
}

func (c *classifier) row(w []float64, k int) []float64 { return w[k*(c.width+1):][:c.width+1] }

// predict fills logits and returns the likeliest class.
func (c *classifier) predict(x []float64) int {
	best := 0
	for k := range c.classes {
		w := c.row(c.w, k)
		sum := w[c.width]
		for i, v := range x {
			sum += float64(w[i] * v)
		}
		if c.logits[k] = sum; sum > c.logits[best] {
			best = k
		}
	}
	return best
}

func (c *classifier) begin() {
	for i, w := range c.w {
		c.g[i] = float64(decay * w)
	}
}

// learn adds the gradient of one example of a batch.
func (c *classifier) learn(x []float64, label int) {
	most := c.logits[c.predict(x)]
	sum := 0.0
	for k, l := range c.logits {
		c.logits[k] = float64(numerics.Exp(float32(l - most)))
		sum += c.logits[k]
	}
	for k := range c.classes {
		d := c.logits[k] / sum
		if k == label {
			d--
		}
		d = float64(d / batchSize)
		g := c.row(c.g, k)
		for i, v := range x {
			g[i] += float64(d * v)
		}
		g[c.width] += d
	}
}

// update is Adam's with betas 0.9 and 0.999.
func (c *classifier) update(step int, rate float64) {
	a, b := 1.0, 1.0
	if step < 10000 { // later both are 1 to the last digits
		a, b = 1-power(0.9, step+1), 1-power(0.999, step+1)
	}
	for i, g := range c.g {
		c.m[i] = float64(0.9*c.m[i]) + float64(0.1*g)
		c.v[i] = float64(0.999*c.v[i]) + float64(0.001*float64(g*g))
		c.w[i] -= float64(rate * (c.m[i] / a) / (math.Sqrt(c.v[i]/b) + 1e-8))
	}
}

// power is x to the n.
func power(x float64, n int) float64 {
	y := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			y *= x
		}
		x *= x
	}
	return y
}

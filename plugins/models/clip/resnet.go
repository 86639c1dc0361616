package clip

import (
	"strconv"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin/config"
	"github.com/seedbed/seedbed/abi/plugin/nn"
)

// stages is the number of stages of the residual tower.
const stages = 4

// residual is the paper's other image tower (section 2.4): a residual network
// whose stem is three convolutions, whose strides are preceded by mean pooling
// (He et al., arXiv 1812.01187; Zhang, arXiv 1904.11486) and whose features are
// what a query, the mean of all places, attends to. Parameters have the names
// of the released models.
type residual struct{ depths [stages]int }

func (t *residual) fields() (fields []config.Field) {
	for i := range stages {
		fields = append(fields, config.Int("vision_depth_"+strconv.Itoa(i+1), &t.depths[i], [stages]int{3, 4, 6, 3}[i], 1, 1<<10))
	}
	return fields
}

// shrink is how many times fewer places there are than pixels, in a row.
const shrink = 32

// check reports sizes that the residual tower cannot have.
func (c *settings) checkResidual() error {
	switch {
	case c.vision.width%(2*shrink) != 0:
		return config.Wrong("vision_hidden_size", "must be a multiple of %d for vision_tower resnet, is %d", 2*shrink, c.vision.width)
	case c.image%shrink != 0:
		return config.Wrong("image_size", "must be a multiple of %d for vision_tower resnet, is %d", shrink, c.image)
	}
	return nil
}

// places returns the embeddings of images [B,D], whose length is not 1 yet.
func (c *settings) places(n *nn.Net) ir.Value {
	epsilon := n.Epsilon
	n.Epsilon = 1e-5 // of batch normalization
	defer func() { n.Epsilon = epsilon }()
	width := c.vision.width / shrink
	x := n.ChannelsLast(n.Input("pixel_values"))
	for i, out := range []int{width / 2, width / 2, width} {
		number := strconv.Itoa(i + 1)
		x = n.Unary("relu", convolve(n, x, "visual.conv"+number, "visual.bn"+number, out, 3, 1+max(0, 1-i)))
	}
	x = n.AvgPool2D(x, 2)
	for i, depth := range c.residual.depths {
		for k := range depth {
			stride := 1
			if i > 0 && k == 0 {
				stride = 2
			}
			x = bottleneck(n, x, "visual.layer"+strconv.Itoa(i+1)+"."+strconv.Itoa(k)+".", width<<i, stride)
		}
	}
	return c.attend(n, x)
}

// convolve is a convolution and its batch norm.
func convolve(n *nn.Net, x ir.Value, name, norm string, out, kernel, stride int) ir.Value {
	return n.BatchNorm(n.Conv(x, name, nn.FanIn(n.Dim(x, 3)*kernel*kernel), out, kernel, stride), norm)
}

// bottleneck is one block, into 4 times width channels; the last norm of its
// branch begins with 0.
func bottleneck(n *nn.Net, x ir.Value, block string, width, stride int) ir.Value {
	pool := func(x ir.Value) ir.Value {
		if stride == 1 {
			return x
		}
		return n.AvgPool2D(x, stride)
	}
	y := n.Unary("relu", convolve(n, x, block+"conv1", block+"bn1", width, 1, 1))
	y = pool(n.Unary("relu", convolve(n, y, block+"conv2", block+"bn2", width, 3, 1)))
	y = n.ScaledBatchNorm(n.Conv(y, block+"conv3", nn.FanIn(width), 4*width, 1, 1), block+"bn3", nn.Zeros())
	if stride != 1 || n.Dim(x, 3) != 4*width {
		x = convolve(n, pool(x), block+"downsample.0", block+"downsample.1", 4*width, 1, 1)
	}
	return n.Unary("relu", n.Add(y, x))
}

// attend pools x [B,H,W,E] by attention of the mean of its places over these
// and itself: [B,D].
func (c *settings) attend(n *nn.Net, x ir.Value) ir.Value {
	b, size, width := n.Dim(x, 0), n.Dim(x, 1)*n.Dim(x, 2), n.Dim(x, 3)
	mean := n.Reshape(n.MeanPool(x), b, 1, width)
	x = n.Concatenate(1, mean, n.Reshape(x, b, size, width))
	const pool = "visual.attnpool."
	init := deviation(1, width)
	x = n.AddLast(x, n.Weight(pool+"positional_embedding", init, size+1, width))
	heads := func(x ir.Value, name string) ir.Value {
		return n.Split(n.Linear(x, pool+name, init, width), c.vision.heads)
	}
	y := n.Builder.Attention(heads(n.SliceDim(x, 1, 0, 1), "q_proj"), heads(x, "k_proj"), heads(x, "v_proj"), false)
	return n.Linear(n.Token(n.Join(y), 0), pool+"c_proj", init, c.projection)
}

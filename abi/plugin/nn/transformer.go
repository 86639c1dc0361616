package nn

import (
	"strconv"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// Transformer is a stack of pre-LayerNorm blocks with biases: attention, then a
// plain MLP, each added to what it was given.
type Transformer struct {
	// Prefix is what the names of parameters begin with; then come the number
	// of the block and a name of its own.
	Prefix       string
	Names        BlockNames
	Layers       int
	Heads, Inner int
	Activation   string  // see Activate
	Dropout      float64 // of what is added to the residual stream
	// Init is how linear maps begin: InitUp those into the MLP, InitResidual
	// those that write into the residual stream.
	Init, InitUp, InitResidual plugin.Init
	Causal                     bool
	Segments                   ir.Value // i32[B,S], or NoValue
}

// BlockNames are the names of a block's parts.
type BlockNames struct {
	NormAttention, Query, Key, Value, Out string
	NormMLP, Up, Down                     string
}

// ViTNames and CLIPNames are those of Hugging Face's ViT and CLIP.
var (
	ViTNames  = BlockNames{"layernorm_before", "attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj", "layernorm_after", "mlp.fc1", "mlp.fc2"}
	CLIPNames = BlockNames{"layer_norm1", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "layer_norm2", "mlp.fc1", "mlp.fc2"}
)

// Transform runs x [B,S,E] through the blocks; there is no norm after them.
func (n *Net) Transform(x ir.Value, t Transformer) ir.Value {
	width := n.Dim(x, -1)
	attention := Attention{Causal: t.Causal}
	if t.Segments != ir.NoValue {
		attention.Segments = []ir.Value{t.Segments, t.Segments}
	}
	for i := range t.Layers {
		block := t.Prefix + strconv.Itoa(i) + "."
		y := n.LayerNorm(x, block+t.Names.NormAttention)
		head := func(name string) ir.Value { return n.Split(n.Linear(y, block+name, t.Init, width), t.Heads) }
		y = n.Join(n.Attend(head(t.Names.Query), head(t.Names.Key), head(t.Names.Value), attention))
		x = n.Add(x, n.Drop(n.Linear(y, block+t.Names.Out, t.InitResidual, width), t.Dropout))
		y = n.LayerNorm(x, block+t.Names.NormMLP)
		y = n.Activate(t.Activation, n.Linear(y, block+t.Names.Up, t.InitUp, t.Inner))
		x = n.Add(x, n.Drop(n.Linear(y, block+t.Names.Down, t.InitResidual, width), t.Dropout))
	}
	return x
}

// Activate is one of the activations of the op table, or quick_gelu, x times
// the logistic of 1.702 x: silu with its argument and value scaled, whose
// derivative is one op.
func (n *Net) Activate(name string, x ir.Value) ir.Value {
	if name == "quick_gelu" {
		const slope = 1.702
		return n.Scale(n.Unary("silu", n.Scale(x, slope)), 1/slope)
	}
	return n.Unary(name, x)
}

// Patches cuts images [B,C,H,W] into squares of size by size pixels, row by row:
// [B,N,C*size*size].
func (n *Net) Patches(images ir.Value, size int) ir.Value {
	b, c, h, w := n.Dim(images, 0), n.Dim(images, 1), n.Dim(images, 2)/max(size, 1), n.Dim(images, 3)/max(size, 1)
	x := n.Transpose(n.Reshape(images, b, c, h, size, w, size), 0, 2, 4, 1, 3, 5)
	return n.Reshape(x, b, h*w, c*size*size)
}

// PatchEmbedding maps each patch of images to [B,N,width]: a convolution whose
// stride is its size, with parameters name.weight [width,C,size,size] and,
// unless it has none, name.bias.
func (n *Net) PatchEmbedding(images ir.Value, name string, init plugin.Init, size, width int, bias bool) ir.Value {
	channels := n.Dim(images, 1)
	weight := n.Weight(name+".weight", init, width, channels, size, size)
	x := n.Builder.Linear(n.Patches(images, size), n.Reshape(weight, width, channels*size*size))
	if bias {
		x = n.AddLast(x, n.Weight(name+".bias", Zeros(), width))
	}
	return x
}

// Prepend puts a token [.., E] before each sequence of x [B,S,E].
func (n *Net) Prepend(token, x ir.Value) ir.Value {
	b, width := n.Dim(x, 0), n.Dim(x, 2)
	return n.Concatenate(1, n.BroadcastTo(n.Reshape(token, width), b, 1, width), x)
}

// Token returns token i of each sequence of x [B,S,E]: [B,E].
func (n *Net) Token(x ir.Value, i int) ir.Value {
	return n.Reshape(n.SliceDim(x, 1, i, i+1), n.Dim(x, 0), n.Dim(x, 2))
}

// Pick takes tokens of each sequence of x [B,S,E]: ids [B,N] gives [B,N,E].
func (n *Net) Pick(x, ids ir.Value) ir.Value {
	b, s, width := n.Dim(x, 0), n.Dim(x, 1), n.Dim(x, 2)
	t := n.Type(ids)
	first := n.Mul(n.Iota(t, 0), n.Full(t, float64(s)))
	return n.Gather(0, n.Reshape(x, b*s, width), n.Add(first, ids))
}

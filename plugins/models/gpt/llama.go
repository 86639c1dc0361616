package gpt

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/numerics"
	"github.com/seedbed/seedbed/abi/plugin"
)

// llama is the Llama family under the names of Hugging Face's
// LlamaForCausalLM: linear maps are [out, in]. Norms are RMSNorm (Zhang and
// Sennrich, arXiv 1910.07467), positions are rotary, and the MLP is gated
// (SwiGLU where the activation is silu: Shazeer, arXiv 2002.05202).
type llama struct{ settings }

func (llama) block(i int) string { return "model.layers." + strconv.Itoa(i) + "." }

func (m llama) parameters() []plugin.Parameter {
	e, inner := m.NEmbd, m.NInner
	q, kv := m.NHead*m.HeadDim, m.NKVHead*m.HeadDim
	p := newParameters(&m.settings)
	norm := func(name string) { p.add(name+".weight", plugin.Init{Kind: plugin.InitOnes}, e) }
	linear := func(name string, scale float64, out, in int) { p.linear(name, scale, out, out, in) }
	p.weight("model.embed_tokens.weight", p.scale, m.VocabSize, e)
	for i := range m.NLayer {
		h := m.block(i)
		norm(h + "input_layernorm")
		linear(h+"self_attn.q_proj", p.scale, q, e)
		linear(h+"self_attn.k_proj", p.scale, kv, e)
		linear(h+"self_attn.v_proj", p.scale, kv, e)
		linear(h+"self_attn.o_proj", p.residual, e, q)
		norm(h + "post_attention_layernorm")
		linear(h+"mlp.gate_proj", p.scale, inner, e)
		linear(h+"mlp.up_proj", p.scale, inner, e)
		linear(h+"mlp.down_proj", p.residual, e, inner)
	}
	norm("model.norm")
	if !m.TieEmbeddings {
		p.weight("lm_head.weight", p.scale, m.VocabSize, e)
	}
	return p.list
}

func (m llama) forward(f *forward) (hidden, outputEmbedding ir.Value) {
	linear := func(x ir.Value, name string) ir.Value {
		return f.addBias(f.Linear(x, f.weight(name+".weight")), name+".bias")
	}
	norm := func(x ir.Value, name string) ir.Value { return f.RMSNorm(x, f.weight(name+".weight"), f.epsilon) }

	embedding := f.weight("model.embed_tokens.weight")
	x := f.drop(f.Gather(0, embedding, f.ids), m.EmbdPdrop)
	cos, sin := m.angles(f)
	for i := range m.NLayer {
		h := m.block(i)
		y := norm(x, h+"input_layernorm")
		q := f.Rotary(f.heads(linear(y, h+"self_attn.q_proj"), m.NHead, m.HeadDim), cos, sin)
		k := f.Rotary(f.heads(linear(y, h+"self_attn.k_proj"), m.NKVHead, m.HeadDim), cos, sin)
		v := f.heads(linear(y, h+"self_attn.v_proj"), m.NKVHead, m.HeadDim)
		y = linear(f.attention(q, k, v), h+"self_attn.o_proj")
		x = f.Add(x, f.drop(y, m.ResidPdrop))
		y = norm(x, h+"post_attention_layernorm")
		gate := f.Unary(m.Activation, linear(y, h+"mlp.gate_proj"))
		y = linear(f.Mul(gate, linear(y, h+"mlp.up_proj")), h+"mlp.down_proj")
		x = f.Add(x, f.drop(y, m.ResidPdrop))
	}
	outputEmbedding = embedding
	if !m.TieEmbeddings {
		outputEmbedding = f.weight("lm_head.weight")
	}
	return norm(x, "model.norm"), outputEmbedding
}

// angles returns cosine and sine of position * frequency, f32[B,S,D/2]. The
// product is rounded to f32, as in the published implementations, so the angle
// of position p is off by up to p * 2^-24 radians.
func (m llama) angles(f *forward) (cos, sin ir.Value) {
	frequencies := rotaryFrequencies(m.RopeTheta, m.HeadDim)
	data := make([]byte, 0, 4*len(frequencies))
	for _, v := range frequencies {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	shape := []int{f.Dim(f.positions, 0), f.Dim(f.positions, 1), len(frequencies)}
	position := f.BroadcastFront(f.Convert(f.positions, ir.F32), shape...)
	angle := f.Mul(position, f.BroadcastTo(f.Constant(ir.T(ir.F32, len(frequencies)), data), shape...))
	return f.Unary("cosine", angle), f.Unary("sine", angle)
}

// rotaryFrequencies returns theta^(-2i/dim) for i below dim/2 (Su et al.,
// arXiv 2104.09864, section 3.2.2), computed in float64 and rounded once to
// float32.
func rotaryFrequencies(theta float64, dim int) []float32 {
	l := numerics.Log64(theta)
	out := make([]float32, dim/2)
	for i := range out {
		out[i] = float32(numerics.Exp64(-float64(2*i) / float64(dim) * l))
	}
	return out
}

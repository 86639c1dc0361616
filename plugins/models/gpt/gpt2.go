package gpt

import (
	"strconv"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// gpt2 is GPT-2 under the names of Hugging Face's GPT2LMHeadModel: linear maps
// are [in, out], and query, key and value come from one.
type gpt2 struct{ settings }

func (gpt2) block(i int) string { return "transformer.h." + strconv.Itoa(i) + "." }

func (m gpt2) parameters() []plugin.Parameter {
	e, inner := m.NEmbd, m.NInner
	p := newParameters(&m.settings)
	norm := func(name string) {
		p.add(name+".weight", plugin.Init{Kind: plugin.InitOnes}, e)
		if m.Bias {
			p.add(name+".bias", plugin.Init{Kind: plugin.InitZeros}, e)
		}
	}
	p.weight("transformer.wte.weight", p.scale, m.VocabSize, e)
	p.weight("transformer.wpe.weight", p.scale, m.NPositions, e)
	for i := range m.NLayer {
		h := m.block(i)
		norm(h + "ln_1")
		p.linear(h+"attn.c_attn", p.scale, 3*e, e, 3*e)
		p.linear(h+"attn.c_proj", p.residual, e, e, e)
		norm(h + "ln_2")
		p.linear(h+"mlp.c_fc", p.scale, inner, e, inner)
		p.linear(h+"mlp.c_proj", p.residual, e, inner, e)
	}
	norm("transformer.ln_f")
	if !m.TieEmbeddings {
		p.weight("lm_head.weight", p.scale, m.VocabSize, e)
	}
	return p.list
}

func (m gpt2) forward(f *forward) (hidden, outputEmbedding ir.Value) {
	e := m.NEmbd
	linear := func(x ir.Value, name string) ir.Value {
		return f.addBias(f.MatMul(x, f.weight(name+".weight")), name+".bias")
	}
	norm := func(x ir.Value, name string) ir.Value {
		w := f.weight(name + ".weight")
		bias, ok := f.weights[name+".bias"]
		if !ok {
			bias = f.Zeros(f.Type(w))
		}
		return f.LayerNorm(x, w, bias, f.epsilon)
	}
	wte := f.weight("transformer.wte.weight")
	x := f.Add(f.Gather(0, wte, f.ids), f.Gather(0, f.weight("transformer.wpe.weight"), f.positions))
	x = f.drop(x, m.EmbdPdrop)
	for i := range m.NLayer {
		h := m.block(i)
		qkv := linear(norm(x, h+"ln_1"), h+"attn.c_attn")
		part := func(k int) ir.Value { return f.heads(f.SliceDim(qkv, 2, k*e, (k+1)*e), m.NHead, m.HeadDim) }
		y := linear(f.attention(part(0), part(1), part(2)), h+"attn.c_proj")
		x = f.Add(x, f.drop(y, m.ResidPdrop))
		y = f.Unary(m.Activation, linear(norm(x, h+"ln_2"), h+"mlp.c_fc"))
		y = linear(y, h+"mlp.c_proj")
		x = f.Add(x, f.drop(y, m.ResidPdrop))
	}
	outputEmbedding = wte
	if !m.TieEmbeddings {
		outputEmbedding = f.weight("lm_head.weight")
	}
	return norm(x, "transformer.ln_f"), outputEmbedding
}

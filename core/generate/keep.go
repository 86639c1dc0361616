package generate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/core/device"
)

// Tokens of a sequence meet in attention alone, in every model that is known:
// what else is computed of a token depends on it and its position. So the module
// for a sequence of one token computes the next, if its attention sees the keys
// and values of those before as well, which the device keeps. To the bit it
// is what the module for the whole sequence computes: masked keys add nothing.
//
// Whether a model is of that kind is not taken on trust. Whenever keys and
// values are new, the last token that they are of is computed once more, by the
// module for one token: unless its logits are those of the whole sequence to the
// bit, nothing is kept of this model from then on.

// minKept is the least number of tokens that are kept: among fewer, a model
// might look as if it were of that kind.
const minKept = 8

const (
	attentionOp = "scaled_dot_product_attention"
	at          = "generate.at"   // i32[1]: where the token goes
	seen        = "generate.seen" // i32[1,L]: 0 for tokens up to it, 1 for the others
	keptPrefix  = "generate.kept."
)

// kept are the keys and values of tokens, on the device.
type kept struct {
	tokens  []int32
	length  int             // tokens that there is room for
	buffers []plugin.Buffer // keys and values, in turn
}

func (k *kept) release() {
	for _, b := range k.buffers {
		b.Release()
	}
}

// forget releases what is kept.
func (g *Generator) forget() {
	if g.kept != nil {
		g.kept.release()
		g.kept = nil
	}
}

// follows says whether tokens are those that are kept and one more.
func (k *kept) follows(tokens []int32) bool {
	return k != nil && len(tokens) == len(k.tokens)+1 && slices.Equal(k.tokens, tokens[:len(k.tokens)])
}

// attentions are the attention ops of a function; ok is false where some are of
// a kind that cannot be continued.
func attentions(f *ir.Func) (ops []*ir.Op, ok bool) {
	for i := range f.Ops {
		op := &f.Ops[i]
		switch {
		case len(op.Regions) > 0:
			return nil, false
		case op.Name == attentionOp && op.Attrs.Bool("causal"):
			ops = append(ops, op)
		case op.Name == attentionOp || op.Name == "biased_attention":
			return nil, false
		}
	}
	return ops, true
}

// nextLogits returns the function that gives the logits of the token after one
// token, and the keys and values of all with it, of those before it. m is the
// module for a sequence of one token; keys and values are of the types given.
func nextLogits(m *plugin.Module, types []ir.Type) (*ir.Func, error) {
	forward, h, e, err := outputs(m, 1)
	if err != nil {
		return nil, err
	}
	ops, ok := attentions(forward)
	if !ok || 2*len(ops) != len(types) {
		return nil, errors.New("its attention for one token is not that for a sequence, or not causal and plain")
	}
	b := ir.NewBuilder("next_logits")
	values, keep := continued(b, forward, ops, types)
	if b.Err() == nil {
		b.Return(logits, b.Reshape(b.Linear(b.Reshape(values[h], 1, b.Dim(values[h], 2)), values[e]), b.Dim(values[e], 0)))
	}
	for i, v := range keep {
		b.Return(fmt.Sprint(keptPrefix, i), v)
	}
	return b.Func()
}

// continued gives b the parameters of forward, a function for one token of each
// sequence, then the keys and values of those before, of the types given, where
// the token goes and which it sees, and the ops of forward, of which ops are the
// attentions: they see what is kept as well. It returns the values of forward,
// and the keys and values with those of the token.
func continued(b *ir.Builder, forward *ir.Func, ops []*ir.Op, types []ir.Type) (values, keep []ir.Value) {
	for _, p := range forward.Params {
		values = append(values, b.Param(p.Name, p.Type))
	}
	for i, t := range types {
		keep = append(keep, b.Param(fmt.Sprint(keptPrefix, i), t))
	}
	position := b.Param(at, ir.T(ir.I32, 1))
	var segments []ir.Value
	if len(types) > 0 {
		rows, length := types[0].Shape[0], types[0].Shape[1]
		keys := b.Param(seen, ir.T(ir.I32, 1, length))
		segments = []ir.Value{b.Zeros(ir.T(ir.I32, rows, 1)), b.BroadcastTo(keys, rows, length)}
	}
	n := 0
	for i := range forward.Ops {
		op := &forward.Ops[i]
		if !slices.Contains(ops, op) {
			values = append(values, b.CopyOp(op, values)...)
			continue
		}
		zero := b.Zeros(ir.T(ir.I32, 1))
		start := b.Concatenate(0, zero, position, zero, zero)
		in := []ir.Value{values[op.Operands[0]]}
		for _, v := range op.Operands[1:3] {
			keep[n] = b.DynamicUpdateSlice(keep[n], values[v], start)
			in = append(in, keep[n])
			n++
		}
		values = append(values, b.Op(attentionOp, append(in, segments...), ir.BoolAttr("causal", false), ir.FloatAttr("scale", op.Attrs.Float("scale")))...)
	}
	return values, keep
}

// seenUpTo is what seen holds for the token at a place, of so many.
func seenUpTo(place, length int) []byte {
	later := make([]int32, length)
	for i := range later {
		later[i] = int32(min(max(i-place, 0), 1))
	}
	return int32Bytes(later)
}

// room holds programs for keys and values with room for so many tokens, each nil
// until it is needed.
type room struct {
	next  *window        // goes on from them
	wider device.Program // gives them the room of the next bucket
}

func (r *room) release() {
	if r.next != nil {
		r.next.Release()
	}
	if r.wider != nil {
		r.wider.Release()
	}
}

func (g *Generator) room(length int) *room {
	r := g.rooms[length]
	if r == nil {
		r = &room{}
		g.rooms[length] = r
	}
	return r
}

// continuation returns the program that goes on from what is kept.
func (g *Generator) continuation(ctx context.Context, k *kept) (*window, error) {
	r := g.room(k.length)
	if r.next != nil {
		return r.next, nil
	}
	m, err := g.c.Build(ctx, 1)
	if err != nil {
		return nil, err
	}
	f, err := nextLogits(m, k.types())
	if err != nil {
		return nil, err
	}
	r.next, err = g.compile(ctx, m, f)
	return r.next, err
}

func (k *kept) types() []ir.Type {
	types := make([]ir.Type, len(k.buffers))
	for i, b := range k.buffers {
		types[i] = b.Type()
	}
	return types
}

// widen gives what is kept room for the tokens of the next bucket. The new places
// hold zeros, which are masked as long as no token has come there.
func (g *Generator) widen(ctx context.Context, k *kept) error {
	length := g.bucket(k.length + 1)
	if len(k.buffers) == 0 { // of a model without attention
		k.length = length
		return nil
	}
	r := g.room(k.length)
	if r.wider == nil {
		b := ir.NewBuilder("more_room")
		var values []ir.Value
		for i, t := range k.types() {
			values = append(values, b.Param(fmt.Sprint(keptPrefix, i), t))
		}
		for i, v := range values {
			no := make([]int, b.Type(v).Rank())
			more := slices.Clone(no)
			more[1] = length - k.length
			b.Return(fmt.Sprint(keptPrefix, i), b.Pad(v, b.Zeros(ir.T(b.Type(v).DType)), no, more, no))
		}
		f, err := b.Func()
		if err != nil {
			return err
		}
		if r.wider, err = g.program(ctx, f); err != nil {
			return err
		}
	}
	args := make([]plugin.Argument, len(k.buffers))
	for i, b := range k.buffers {
		args[i] = plugin.Argument{Buffer: b, Donate: true}
	}
	run, err := r.wider.Queue(ctx, args)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	k.length, k.buffers = length, run.Results()
	return nil
}

// next computes the logits after the last of tokens, whose predecessors are
// kept, and keeps it as well.
func (g *Generator) next(ctx context.Context, tokens []int32) ([]float32, error) {
	k, n := g.kept, len(tokens)-1
	g.kept = nil
	if n == k.length {
		if err := g.widen(ctx, k); err != nil {
			k.release()
			return nil, err
		}
	}
	p, err := g.continuation(ctx, k)
	if err != nil {
		k.release()
		return nil, err
	}
	args := make([]plugin.Argument, len(p.params))
	word := func(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }
	taken := 0
	for i, x := range p.params {
		switch x.Name {
		case inputIDs:
			args[i].Data = word(int(tokens[n]))
		case positionIDs, at:
			args[i].Data = word(n)
		case segmentIDs:
			args[i].Data = word(0)
		case seen:
			args[i].Data = seenUpTo(n, k.length)
		default:
			if taken < len(k.buffers) && x.Name == fmt.Sprint(keptPrefix, taken) {
				args[i] = plugin.Argument{Buffer: k.buffers[taken], Donate: true}
				taken++
				continue
			}
			args[i].Buffer = g.c.Parameter(x.Name)
		}
	}
	out, buffers, err := p.run(ctx, args)
	if err != nil {
		return nil, err
	}
	g.kept = &kept{tokens: append(k.tokens[:n:n], tokens[n]), length: k.length, buffers: buffers}
	return out, nil
}

// keep keeps what a window computed, if the model is of the kind that can be
// continued.
func (g *Generator) keep(ctx context.Context, w *window, tokens []int32, out []float32, buffers []plugin.Buffer) error {
	g.kept = &kept{tokens: slices.Clone(tokens[:len(tokens)-1]), length: w.sequence, buffers: buffers}
	if g.forgetful != nil || len(tokens) < minKept {
		g.forget()
		return nil
	}
	_, err := g.continuation(ctx, g.kept)
	if ctx.Err() != nil {
		g.forget()
		return ctx.Err()
	}
	if err == nil {
		again, failed := g.next(ctx, tokens)
		if failed != nil {
			return failed
		}
		if !slices.EqualFunc(again, out, func(a, b float32) bool { return a == b || a != a && b != b }) {
			err = errors.New("what it computes of a token depends on those before by other ways than attention")
		}
	}
	if err != nil {
		g.forget()
		g.forgetful = fmt.Errorf("generate: keys and values are not kept: %w", err)
	}
	return nil
}

// Forgetful says why nothing is kept of the model from one token to the next; it
// is nil where that is, or was not tried yet.
func (g *Generator) Forgetful() error { return g.forgetful }

package span_corruption

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/seedbed/seedbed/abi/plugin"
	"github.com/seedbed/seedbed/abi/plugin/batch"
)

// stream keeps the draws apart from others.
const stream uint32 = 0x7370616e // "span"

// Transform cuts each row into stretches, kept and missing in turn, the first
// kept. The source has the kept ones with a sentinel after each, the target
// each sentinel with what it stands for; both end with the end token.
func (b *binding) Transform(_ context.Context, rows arrow.Record, at plugin.Position, fields [][]byte) error {
	buffers, err := batch.Open(rows, b.Rows, b.Batch(), fields)
	if err != nil {
		return fmt.Errorf("span_corruption: %w", err)
	}
	tokens, err := batch.IntLists(rows, b.column, b.length)
	if err == nil {
		err = batch.Tokens(tokens, b.length, b.Known)
	}
	if err != nil {
		return fmt.Errorf("span_corruption: %w", err)
	}
	for r := range b.Rows {
		text := tokens[r*b.length:][:b.text]
		draws := batch.NewDraws(at, stream, b.Rows, r)
		missing, kept := lengths(b.noise, b.spans, draws), lengths(b.text-b.noise, b.spans, draws)
		var source, target []int32
		for i := range b.spans {
			sentinel := int32(b.sentinel - i)
			source = append(append(source, text[:kept[i]]...), sentinel)
			text = text[kept[i]:]
			target = append(append(target, sentinel), text[:missing[i]]...)
			text = text[missing[i]:]
		}
		b.Put(buffers, r, append(source, int32(b.End)), append(target, int32(b.End)))
	}
	return nil
}

// lengths divides n into k positive parts; every division is as likely as
// another: it is k-1 of the n-1 places between neighbours.
func lengths(n, k int, draws *batch.Draws) []int {
	cuts := draws.Choose(n-1, k-1)
	slices.Sort(cuts)
	parts, before := make([]int, 0, k), 0
	for _, c := range append(cuts, n-1) {
		parts = append(parts, c+1-before)
		before = c + 1
	}
	return parts
}

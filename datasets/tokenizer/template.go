package tokenizer

import "fmt"

// template is Hugging Face's TemplateProcessing: the special tokens that go around a text or a pair of texts.
type template struct {
	single, pair []templatePiece
	specials     []templateSpecial // in the order of the file
}

// templatePiece is a sequence ("A" or "B") or a special token of the list.
type templatePiece struct {
	special bool
	name    string
	typeID  int32
}

// templateSpecial is what a name in a template stands for.
type templateSpecial struct {
	name   string
	ids    []int32
	tokens []string
}

func (t *template) check(size int) error {
	ids := map[string]bool{}
	for _, s := range t.specials {
		if len(s.ids) != len(s.tokens) {
			return fmt.Errorf("post_processor.special_tokens.%s: %d ids and %d tokens", s.name, len(s.ids), len(s.tokens))
		}
		for _, id := range s.ids {
			if id < 0 || int(id) >= size {
				return fmt.Errorf("post_processor.special_tokens.%s: id %d is outside [0, %d)", s.name, id, size)
			}
		}
		ids[s.name] = true
	}
	for name, pieces := range map[string][]templatePiece{"single": t.single, "pair": t.pair} {
		for i, p := range pieces {
			switch {
			case p.special && !ids[p.name]:
				return fmt.Errorf("post_processor.%s[%d]: special token %q is not in special_tokens", name, i, p.name)
			case !p.special && p.name != "A" && p.name != "B", !p.special && p.name == "B" && name == "single":
				return fmt.Errorf("post_processor.%s[%d]: sequence %q is not one of the texts", name, i, p.name)
			}
		}
	}
	return nil
}

// apply puts special tokens around one text, or two.
func (t *template) apply(texts ...Encoding) Encoding {
	pieces := t.single
	if len(texts) == 2 {
		pieces = t.pair
	}
	out := Encoding{IDs: []int32{}, Offsets: [][2]int{}}
	for _, p := range pieces {
		if !p.special {
			out.join(texts[p.name[0]-'A'], p.typeID)
			continue
		}
		for _, s := range t.specials {
			if s.name != p.name {
				continue
			}
			for _, id := range s.ids {
				out.IDs, out.Offsets = append(out.IDs, id), append(out.Offsets, [2]int{})
				out.TypeIDs, out.Special = append(out.TypeIDs, p.typeID), append(out.Special, true)
			}
		}
	}
	return out
}

// join appends an encoding without special tokens.
func (e *Encoding) join(o Encoding, typeID int32) {
	e.IDs, e.Offsets = append(e.IDs, o.IDs...), append(e.Offsets, o.Offsets...)
	for range o.IDs {
		e.TypeIDs, e.Special = append(e.TypeIDs, typeID), append(e.Special, false)
	}
}

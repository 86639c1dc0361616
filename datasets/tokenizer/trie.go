package tokenizer

// trie finds the tokens that a text begins with.
type trie struct {
	children pairTable // (node, byte) to node
	id       []int32   // by node; -1: no token ends there
}

func newTrie(tokens int) trie { return trie{children: newPairTable(4 * tokens), id: []int32{-1}} }

// trieOf holds the tokens that are not special.
func trieOf(tokens []string, special []bool) trie {
	t := newTrie(len(tokens))
	for id, token := range tokens {
		if special == nil || !special[id] {
			t.add(token, int32(id))
		}
	}
	return t
}

func (t *trie) add(token string, id int32) {
	node := int32(0)
	for i := range len(token) {
		next, added := t.children.slot(pairOf(node, int32(token[i])))
		if added {
			*next = int64(len(t.id))
			t.id = append(t.id, -1)
		}
		node = int32(*next)
	}
	if node > 0 {
		t.id[node] = id
	}
}

// step follows one byte; it returns -1 where no token goes on.
func (t *trie) step(node int32, b byte) int32 {
	next := t.children.get(pairOf(node, int32(b)))
	if next == noMerge {
		return -1
	}
	return int32(next)
}

// longest returns the longest token that text[start:] begins with and where it ends, or -1.
func (t *trie) longest(text []byte, start int) (id int32, end int) {
	id = -1
	for node, i := int32(0), start; i < len(text); {
		if node = t.step(node, text[i]); node < 0 {
			break
		}
		i++
		if t.id[node] >= 0 {
			id, end = t.id[node], i
		}
	}
	return id, end
}

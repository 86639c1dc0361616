package tokenizer

import "fmt"

// bpe is a byte-pair-encoding model (Sennrich et al. 2016) over bytes: a word starts as the tokens of its bytes, and of all
// adjacent pairs that have a merge, the one of the lowest rank (the leftmost of equals) is replaced by its merged token,
// until none has.
type bpe struct {
	vocab  []string         // byte-level spelling by id, without gaps
	merges [][2]int32       // by rank
	bytes  [256]int32       // id of each byte
	pairs  pairTable        // of a merge: rank<<32 | id of the merged token
	whole  map[string]int32 // ids by the bytes they stand for

	// ignoreMerges: a word that is in the vocabulary is one token even if no merges lead to it.
	ignoreMerges bool

	// Options that cannot matter to a vocabulary that holds all bytes; kept for saving.
	unknown       *string
	subwordPrefix *string
	wordSuffix    *string
	fuseUnknown   bool
	byteFallback  bool
}

// newBPE checks a vocabulary and its merges and prepares them for encoding.
func newBPE(vocab []string, merges [][2]string) (*bpe, error) {
	m := &bpe{vocab: vocab, whole: make(map[string]int32, len(vocab)), merges: make([][2]int32, len(merges))}
	ids := make(map[string]int32, len(vocab))
	for id, chars := range vocab {
		ids[chars] = int32(id)
		if bytes, ok := unspell(chars); ok {
			m.whole[bytes] = int32(id)
		}
	}
	for b := range 256 {
		id, ok := ids[string(byteToChar[b])]
		if !ok {
			return nil, fmt.Errorf("model.vocab: no token for byte 0x%02X (%q): a byte-level vocabulary needs all 256", b, byteToChar[b])
		}
		m.bytes[b] = id
	}
	m.pairs = newPairTable(len(merges))
	for rank, merge := range merges {
		a, okA := ids[merge[0]]
		b, okB := ids[merge[1]]
		if !okA || !okB {
			missing := merge[0]
			if okA {
				missing = merge[1]
			}
			return nil, fmt.Errorf("model.merges[%d]: %q is not in model.vocab", rank, missing)
		}
		merged, ok := ids[merge[0]+merge[1]]
		if !ok {
			return nil, fmt.Errorf("model.merges[%d]: the merged token %q is not in model.vocab", rank, merge[0]+merge[1])
		}
		m.merges[rank] = [2]int32{a, b}
		at, _ := m.pairs.slot(pairOf(a, b))
		*at = int64(rank)<<32 | int64(merged) // of a pair listed twice the later rank counts, as in Hugging Face
	}
	return m, nil
}

// maxScan is the longest word that encode merges by scanning it for the best pair; longer ones keep a queue of pairs.
const maxScan = 48

// encode appends the tokens of a word.
func (m *bpe) encode(dst []int32, word []byte) []int32 {
	if m.ignoreMerges {
		if id, ok := m.whole[string(word)]; ok {
			return append(dst, id)
		}
	}
	if len(word) > maxScan {
		return m.encodeLong(dst, word)
	}
	var ids [maxScan]int32
	var merge [maxScan]int64 // of ids[i] and ids[i+1]
	n := len(word)
	for i, b := range word {
		ids[i] = m.bytes[b]
	}
	for i := 0; i+1 < n; i++ {
		merge[i] = m.pairs.get(pairOf(ids[i], ids[i+1]))
	}
	for n > 1 {
		best := 0
		for i := 1; i+1 < n; i++ {
			if merge[i]>>32 < merge[best]>>32 {
				best = i
			}
		}
		if merge[best] == noMerge {
			break
		}
		ids[best] = int32(merge[best])
		n--
		copy(ids[best+1:n], ids[best+2:n+1])
		copy(merge[best:n-1], merge[best+1:n])
		if best > 0 {
			merge[best-1] = m.pairs.get(pairOf(ids[best-1], ids[best]))
		}
		if best+1 < n {
			merge[best] = m.pairs.get(pairOf(ids[best], ids[best+1]))
		}
	}
	return append(dst, ids[:n]...)
}

// encodeLong is encode in O(n log n).
func (m *bpe) encodeLong(dst []int32, word []byte) []int32 {
	type symbol struct {
		id         int32 // -1: merged into the one before it
		prev, next int32
	}
	symbols := make([]symbol, len(word))
	merges := make(queue[queuedMerge], 0, len(word))
	for i, b := range word {
		symbols[i] = symbol{m.bytes[b], int32(i) - 1, int32(i) + 1}
	}
	symbols[len(word)-1].next = -1
	offer := func(at int32) {
		if at < 0 || symbols[at].next < 0 {
			return
		}
		pair := pairOf(symbols[at].id, symbols[symbols[at].next].id)
		if merge := m.pairs.get(pair); merge != noMerge {
			merges.push(queuedMerge{merge, pair, at})
		}
	}
	for i := range symbols {
		offer(int32(i))
	}
	for len(merges) > 0 {
		top := merges.pop()
		left := &symbols[top.at]
		if left.id < 0 || left.next < 0 || pairOf(left.id, symbols[left.next].id) != top.pair {
			continue // one of the two is no longer there
		}
		right := &symbols[left.next]
		left.id, right.id = int32(top.merge), -1
		left.next = right.next
		if left.next >= 0 {
			symbols[left.next].prev = top.at
		}
		offer(left.prev)
		offer(top.at)
	}
	for at := int32(0); at >= 0; at = symbols[at].next {
		dst = append(dst, symbols[at].id)
	}
	return dst
}

type queuedMerge struct {
	merge int64
	pair  uint64
	at    int32
}

func (m queuedMerge) before(o queuedMerge) bool {
	if m.merge>>32 != o.merge>>32 {
		return m.merge>>32 < o.merge>>32
	}
	return m.at < o.at
}

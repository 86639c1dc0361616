package tokenizer

import (
	"bytes"
	"hash/maphash"
)

// wordTable numbers distinct words 0, 1, 2, ... in the order of first sight. It is an open-addressing hash table whose keys lie
// back to back in one slice: the inner loop of counting and encoding, several times as fast as a map[string]int and without
// an allocation a word. Hashes are seeded at random so that no text can be made to collide; numbers do not depend on them.
type wordTable struct {
	seed  maphash.Seed
	slots []wordSlot // a power of two, at most half full
	ends  []int      // end of word i in text; it starts at the end of word i-1
	text  []byte
}

type wordSlot struct {
	tag  uint32 // upper half of the hash
	word uint32 // number + 1; 0 is empty
}

func newWordTable() *wordTable {
	return &wordTable{seed: maphash.MakeSeed(), slots: make([]wordSlot, 1<<12)}
}

func (t *wordTable) len() int { return len(t.ends) }

// word returns the i-th word; the caller must not change it.
func (t *wordTable) word(i int) []byte {
	start := 0
	if i > 0 {
		start = t.ends[i-1]
	}
	return t.text[start:t.ends[i]:t.ends[i]]
}

// number returns the number of a word, adding it if it is new.
func (t *wordTable) number(word []byte) (i int, added bool) {
	hash := maphash.Bytes(t.seed, word)
	tag, mask := uint32(hash>>32), uint32(len(t.slots)-1)
	for at := uint32(hash) & mask; ; at = (at + 1) & mask {
		switch s := t.slots[at]; {
		case s.word == 0:
			i = len(t.ends)
			t.slots[at] = wordSlot{tag, uint32(i) + 1}
			t.text = append(t.text, word...)
			t.ends = append(t.ends, len(t.text))
			if 2*len(t.ends) > len(t.slots) {
				t.grow()
			}
			return i, true
		case s.tag == tag && bytes.Equal(t.word(int(s.word-1)), word):
			return int(s.word - 1), false
		}
	}
}

func (t *wordTable) grow() {
	t.slots = make([]wordSlot, 4*len(t.slots))
	mask := uint32(len(t.slots) - 1)
	for i := range t.ends {
		hash := maphash.Bytes(t.seed, t.word(i))
		at := uint32(hash) & mask
		for t.slots[at].word != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = wordSlot{uint32(hash >> 32), uint32(i) + 1}
	}
}

// reset forgets all words and keeps the memory.
func (t *wordTable) reset() {
	clear(t.slots)
	t.ends, t.text = t.ends[:0], t.text[:0]
}

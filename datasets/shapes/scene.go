package shapes

import (
	"strings"

	"github.com/seedbed/seedbed/abi/vision"
)

// Object is a form in a picture.
type Object struct {
	Color, Form, Size, Texture int
	Cell                       int // of the grid of Positions
	x, y                       int // middle, in units
	turn                       int // index of an angle
	shade                      [3]int
}

// Scene is what a picture shows. All objects but the second of a relation are alike.
type Scene struct {
	Objects  []Object
	Relation int // of the first object to the second; -1: none
	Count    int // of the objects that are alike
	Caption  string

	ground [3]int
	slope  [2]int       // of the ground's brightness over the picture
	noise  vision.Draws // of each value
}

// Splits of the world, by number.
var splits = []string{"train", "validation", "held_out"}

// newScene draws picture number i of a split. The same seed gives three splits that have nothing in common. alike leaves out relations.
func newScene(seed uint64, split int, i uint64, alike bool) Scene {
	d := vision.NewDraws(vision.Key{Seed: seed, Epoch: uint64(split), Sample: i})
	s := Scene{Relation: -1, Count: 1}
	first := chooseObject(&d, split == 2)
	kinds := 3
	if alike {
		kinds = 2
	}
	switch d.Below(kinds) {
	case 0:
		first.Cell = d.Below(9)
		s.Objects = []Object{first}
	case 1:
		s.Count = 2 + d.Below(3)
		cells := d.Partners(9)
		for k := range s.Count {
			o := first
			o.Cell = cells[k]
			s.Objects = append(s.Objects, o)
		}
	case 2:
		second := chooseObject(&d, false)
		for second.Color == first.Color && second.Form == first.Form {
			second = chooseObject(&d, false)
		}
		s.Relation = d.Below(len(Relations))
		line, pair := d.Below(3), [3][2]int{{0, 1}, {0, 2}, {1, 2}}[d.Below(3)] // the line they share and their places in it
		a, b := 3*line+pair[0], 3*line+pair[1]                                  // left and right
		if s.Relation >= 2 {
			a, b = 3*pair[0]+line, 3*pair[1]+line // above and below
		}
		if s.Relation%2 == 1 {
			a, b = b, a
		}
		first.Cell, second.Cell = a, b
		s.Objects = []Object{first, second}
	}
	for k := range s.Objects {
		s.Objects[k].place(&d)
	}
	grey := d.Below(256)
	for c := range s.ground {
		s.ground[c] = min(max(grey+d.Below(41)-20, 0), 255)
	}
	s.slope = [2]int{d.Below(121) - 60, d.Below(121) - 60}
	s.Caption = s.caption(&d)
	s.noise = d
	return s
}

func chooseObject(d *vision.Draws, held bool) Object {
	o := Object{Form: d.Below(len(Forms)), Size: d.Below(len(Sizes)), Texture: d.Below(len(Textures))}
	if held {
		o.Color = heldOutColor(o.Form)
		return o
	}
	for o.Color = d.Below(len(Colors)); heldOut(o.Color, o.Form); {
		o.Color = d.Below(len(Colors))
	}
	return o
}

// place gives an object its place in its cell, a turn and a shade of its colour.
func (o *Object) place(d *vision.Draws) {
	free := unit/6 - radius[o.Size]
	o.x = (2*(o.Cell%3)+1)*unit/6 + d.Below(2*free+1) - free
	o.y = (2*(o.Cell/3)+1)*unit/6 + d.Below(2*free+1) - free
	o.turn = d.Below(len(turns))
	for c := range o.shade {
		o.shade[c] = min(max(rgb[o.Color][c]+d.Below(41)-20, 0), 255)
	}
}

// caption says everything about the objects, in one of several ways.
func (s *Scene) caption(d *vision.Draws) string {
	o := s.Objects[0]
	switch {
	case s.Relation >= 0:
		return phrase(o, 1) + " " + Relations[s.Relation] + " " + phrase(s.Objects[1], 1)
	case s.Count > 1:
		return []string{"", "there are ", "a picture of "}[d.Below(3)] + phrase(o, s.Count)
	}
	at := Positions[o.Cell]
	switch d.Below(3) {
	case 0:
		return phrase(o, 1) + " at the " + at
	case 1:
		return "at the " + at + " there is " + phrase(o, 1)
	}
	return "a picture of " + phrase(o, 1) + " at the " + at
}

// phrase names n objects: "three large striped red stars".
func phrase(o Object, n int) string {
	words := []string{numbers[n], Sizes[o.Size], Textures[o.Texture], Colors[o.Color]}
	if n > 1 {
		words = append(words, plurals[o.Form])
	} else {
		words = append(words, Forms[o.Form])
	}
	return strings.Join(words, " ")
}

package shapes

import (
	"math"

	"github.com/seedbed/seedbed/abi/numerics"
)

// turns are the angles that forms are turned by, from -15 to 15 degrees, as sine and cosine in units of 2^-14.
var turns = func() (t [31][2]int) {
	for i := range t {
		angle := float64(i-15) / 180
		t[i] = [2]int{int(math.RoundToEven(numerics.SinPi64(angle) * (1 << 14))), int(math.RoundToEven(numerics.CosPi64(angle) * (1 << 14)))}
	}
	return t
}()

// star is the outline of a star of radius 1000, its first point up; triangle that of a triangle.
var (
	star     = polygon(10, 1000, 420)
	triangle = polygon(3, 1000, 1000)
)

func polygon(n, outer, inner int) [][2]int {
	points := make([][2]int, n)
	for i := range points {
		r := float64(outer)
		if i%2 == 1 {
			r = float64(inner)
		}
		angle := float64(2*i) / float64(n)
		points[i] = [2]int{int(math.RoundToEven(float64(r * numerics.SinPi64(angle)))), int(math.RoundToEven(float64(-r * numerics.CosPi64(angle))))}
	}
	return points
}

// inside reports whether a point, in units of a thousandth of the radius, is in a form.
func inside(form, x, y int) bool {
	ax, ay, square := max(x, -x), max(y, -y), x*x+y*y
	switch form {
	case 0: // circle
		return square <= 950*950
	case 1: // square
		return max(ax, ay) <= 720
	case 2:
		return in(triangle, x, y)
	case 3:
		return in(star, x, y)
	case 4: // cross
		return min(ax, ay) <= 260 && max(ax, ay) <= 900
	case 5: // ring
		return square <= 960*960 && square >= 560*560
	case 6: // bar
		return ax <= 950 && ay <= 300
	}
	return square <= 950*950 && y >= 0 // half moon
}

// in is the even-odd rule.
func in(points [][2]int, x, y int) bool {
	odd := false
	for i, p := range points {
		q := points[(i+1)%len(points)]
		if (p[1] > y) != (q[1] > y) {
			// x < p.x + (y - p.y) (q.x - p.x) / (q.y - p.y), without dividing
			left, right := (x-p[0])*(q[1]-p[1]), (y-p[1])*(q[0]-p[0])
			if (left < right) == (q[1] > p[1]) {
				odd = !odd
			}
		}
	}
	return odd
}

// dark reports whether the texture is dark at a point, in thousandths of the radius.
func dark(texture, x, y int) bool {
	switch texture {
	case 1: // stripes
		return (x+y+4000)/250%2 == 1
	case 2: // dots
		dx, dy := (x+4000)%420-210, (y+4000)%420-210
		return dx*dx+dy*dy <= 120*120
	}
	return false
}

const (
	samples = 4  // a pixel has samples * samples of them
	grain   = 15 // noise is in [-grain, grain]
)

// Box is the rectangle of the pixels that an object touches, the right and lower ends excluded.
type Box struct{ Left, Top, Right, Bottom int }

// render draws a scene: pix is u8[size, size, 3]; mask, u8[size, size] or nil, gets the number of the object, from 1, that covers half of
// a pixel or more.
func (s *Scene) render(size int, pix, mask []uint8) []Box {
	for y := range size {
		for x := range size {
			light := (s.slope[0]*(2*x+1-size) + s.slope[1]*(2*y+1-size)) / (2 * size)
			for c := range 3 {
				pix[(y*size+x)*3+c] = uint8(min(max(s.ground[c]+light, 0), 255))
			}
		}
	}
	boxes := make([]Box, len(s.Objects))
	for k, o := range s.Objects {
		boxes[k] = o.render(size, pix, mask, uint8(k+1))
	}
	d := s.noise
	for i := range pix {
		pix[i] = uint8(min(max(int(pix[i])+d.Below(2*grain+1)-grain, 0), 255))
	}
	return boxes
}

func (o *Object) render(size int, pix, mask []uint8, number uint8) Box {
	r := radius[o.Size]
	sin, cos := turns[o.turn][0], turns[o.turn][1]
	from := func(middle int) int { return max(0, (middle-r)*size/unit-1) }
	to := func(middle int) int { return min(size, (middle+r)*size/unit+2) }
	box := Box{size, size, 0, 0}
	for y := from(o.y); y < to(o.y); y++ {
		for x := from(o.x); x < to(o.x); x++ {
			covered, shaded := 0, 0
			for k := range samples * samples {
				// The sample's place, from the middle of the object, in units; then turned, in thousandths of the radius.
				dx := (2*(x*samples+k%samples)+1)*unit/(2*samples*size) - o.x
				dy := (2*(y*samples+k/samples)+1)*unit/(2*samples*size) - o.y
				u, v := (dx*cos+dy*sin)*1000/(r<<14), (dy*cos-dx*sin)*1000/(r<<14)
				if inside(o.Form, u, v) {
					covered++
					if dark(o.Texture, u, v) {
						shaded++
					}
				}
			}
			if covered == 0 {
				continue
			}
			box = Box{min(box.Left, x), min(box.Top, y), max(box.Right, x+1), max(box.Bottom, y+1)}
			p := pix[(y*size+x)*3:][:3]
			for c := range p {
				// Dark parts have a third of the colour.
				color := 3*o.shade[c]*(covered-shaded) + o.shade[c]*shaded
				p[c] = uint8((3*int(p[c])*(samples*samples-covered) + color + 3*samples*samples/2) / (3 * samples * samples))
			}
			if mask != nil && 2*covered >= samples*samples {
				mask[y*size+x] = number
			}
		}
	}
	return box
}

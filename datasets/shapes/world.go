package shapes

// The words of the world. Indices are the values of the columns of that name.
var (
	Colors    = []string{"red", "green", "blue", "yellow", "purple", "orange", "cyan", "pink"}
	Forms     = []string{"circle", "square", "triangle", "star", "cross", "ring", "bar", "half moon"}
	Sizes     = []string{"small", "medium", "large"}
	Textures  = []string{"plain", "striped", "dotted"}
	Positions = []string{"top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"}
	Relations = []string{"left of", "right of", "above", "below"}
)

var numbers = []string{"", "a", "two", "three", "four"}

var plurals = []string{"circles", "squares", "triangles", "stars", "crosses", "rings", "bars", "half moons"}

// rgb of colors.
var rgb = [...][3]int{{220, 40, 40}, {40, 170, 60}, {50, 80, 220}, {235, 215, 50}, {140, 50, 170}, {240, 140, 30}, {50, 205, 215}, {245, 130, 190}}

// heldOut says whether a pair of colour and form is kept from training: one in eight, each colour and each form once.
func heldOut(color, form int) bool { return color == heldOutColor(form) }

func heldOutColor(form int) int { return (3*form + 1) % len(rgb) }

// unit is the side of a picture; all lengths are parts of it.
const unit = 1 << 16

// radius of the circle around a form, by size: at most half a cell of the 3 x 3 grid.
var radius = [...]int{unit * 9 / 100, unit * 125 / 1000, unit * 16 / 100}

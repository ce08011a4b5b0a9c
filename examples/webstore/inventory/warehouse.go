package inventory

// Warehouse is a place that goods are sent from.
type Warehouse struct {
	Name    string `json:"warehouse"`
	Country string `json:"country"`          // that it is in
	Days    int    `json:"fulfillment_days"` // from a reservation until the goods arrive
}

var (
	usEast     = Warehouse{"US-EAST", "US", 2}
	usWest     = Warehouse{"US-WEST", "US", 2}
	euCentral  = Warehouse{"EU-CENTRAL", "DE", 3}
	ukLondon   = Warehouse{"UK-LONDON", "UK", 2}
	asiaTokyo  = Warehouse{"ASIA-TOKYO", "JP", 3}
	saBrazil   = Warehouse{"SA-BRAZIL", "BR", 5}
	asiaMumbai = Warehouse{"ASIA-MUMBAI", "IN", 4}
)

// Warehouses is where goods are.
var Warehouses = []Warehouse{usEast, usWest, euCentral, ukLondon, asiaTokyo, saBrazil, asiaMumbai}

// Route is the warehouses that send goods to a country: of those that have enough,
// the first.
type Route struct {
	Country    string // "" is every country that has no route
	Warehouses []Warehouse
}

// Routes is which warehouses send where.
var Routes = []Route{
	{"US", []Warehouse{usEast, usWest}},
	{"UK", []Warehouse{ukLondon, euCentral}},
	{"DE", []Warehouse{euCentral, ukLondon}},
	{"FR", []Warehouse{euCentral, ukLondon}},
	{"JP", []Warehouse{asiaTokyo}},
	{"BR", []Warehouse{saBrazil, usEast}},
	{"IN", []Warehouse{asiaMumbai, asiaTokyo}},
	{"", []Warehouse{usEast}},
}

// routeTo is the warehouses that send to a country.
func routeTo(country string) []Warehouse {
	for _, route := range Routes {
		if route.Country == country || route.Country == "" {
			return route.Warehouses
		}
	}
	return nil
}

// What a warehouse has at first.
const (
	Products = 8    // numbered from 1
	MinStock = 5000 // of each, a number drawn from this
	MaxStock = 9999 // to this
)

// MoreDays is how many days later goods arrive that have to be brought to the
// warehouse first.
const MoreDays = 7

package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Every enumeration below is set: the library writes those that are not as "",
// which Grafana does not know.

// fields says how the values of a panel are shown.
func (p Panel) fields(unit string, custom any) *dashboard.FieldConfigSource {
	base := p.Base
	if base == "" {
		base = Good
	}
	steps := []dashboard.Threshold{{Color: string(base)}}
	for _, t := range p.Thresholds {
		steps = append(steps, dashboard.Threshold{Value: ptr(t.From), Color: string(t.Level)})
	}
	mode := dashboard.FieldColorModeIdPaletteClassic
	if p.Kind == Stat {
		mode = dashboard.FieldColorModeIdThresholds
	}
	return &dashboard.FieldConfigSource{
		Defaults: dashboard.FieldConfig{
			Unit:       &unit,
			NoValue:    ptr("no data"),
			Color:      &dashboard.FieldColor{Mode: mode},
			Thresholds: &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: steps},
			Custom:     custom,
		},
		Overrides: []dashboard.DashboardFieldConfigSourceOverrides{},
	}
}

// timeSeriesField draws plain lines. The axis starts at 0 unless values lie
// below it: an axis that starts elsewhere makes a mountain of a ripple.
func (p Panel) timeSeriesField() common.GraphFieldConfig {
	field := common.GraphFieldConfig{
		DrawStyle:         ptr(common.GraphDrawStyleLine),
		LineInterpolation: ptr(common.LineInterpolationLinear),
		LineWidth:         ptr(1.0),
		FillOpacity:       ptr(8.0),
		GradientMode:      ptr(common.GraphGradientModeNone),
		ShowPoints:        ptr(common.VisibilityModeAuto),
		AxisPlacement:     ptr(common.AxisPlacementAuto),
		AxisSoftMin:       ptr(0.0),
		Stacking:          &common.StackingConfig{Mode: ptr(common.StackingModeNone), Group: ptr("A")},
		ThresholdsStyle:   &common.GraphThresholdsStyleConfig{Mode: common.GraphThresholdsStyleModeOff},
	}
	if len(p.Thresholds) > 0 {
		field.ThresholdsStyle.Mode = common.GraphThresholdsStyleModeDashed
	}
	if p.Stacked {
		field.Stacking.Mode, field.FillOpacity = ptr(common.StackingModeNormal), ptr(40.0)
	}
	return field
}

func timeSeriesOptions() timeseries.Options {
	return timeseries.Options{
		Legend: common.VizLegendOptions{
			DisplayMode: common.LegendDisplayModeList, Placement: common.LegendPlacementBottom,
			ShowLegend: true, Calcs: []string{},
		},
		Tooltip: common.VizTooltipOptions{Mode: common.TooltipDisplayModeMulti, Sort: common.SortOrderDescending},
	}
}

func statOptions() stat.Options {
	return stat.Options{
		GraphMode: common.BigValueGraphModeArea, ColorMode: common.BigValueColorModeValue,
		JustifyMode: common.BigValueJustifyModeAuto, TextMode: common.BigValueTextModeAuto,
		WideLayout: true, Orientation: common.VizOrientationAuto,
		PercentChangeColorMode: common.PercentChangeColorModeStandard,
		ReduceOptions:          common.ReduceDataOptions{Values: ptr(false), Calcs: []string{"lastNotNull"}, Fields: ptr("")},
	}
}

func heatmapField() heatmap.FieldConfig {
	return heatmap.FieldConfig{ScaleDistribution: &common.ScaleDistributionConfig{Type: common.ScaleDistributionLinear}}
}

func heatmapOptions(unit string) heatmap.Options {
	return heatmap.Options{
		Calculate: ptr(false),
		CellGap:   ptr(uint8(1)),
		Color: heatmap.HeatmapColorOptions{
			Mode: ptr(heatmap.HeatmapColorModeScheme), Scheme: "Oranges", Fill: "dark-orange",
			Scale: ptr(heatmap.HeatmapColorScaleExponential), Exponent: 0.5, Steps: 64,
		},
		Exemplars: heatmap.ExemplarConfig{Color: "rgba(31,120,193,0.9)"},
		Legend:    heatmap.HeatmapLegend{Show: true},
		RowsFrame: &heatmap.RowsHeatmapOptions{Layout: ptr(common.HeatmapCellLayoutAuto)},
		ShowValue: common.VisibilityModeNever,
		Tooltip:   heatmap.HeatmapTooltip{Mode: common.TooltipDisplayModeSingle, YHistogram: ptr(true), ShowColorScale: ptr(true)},
		YAxis:     heatmap.YAxisConfig{Unit: &unit, AxisPlacement: ptr(common.AxisPlacementLeft), Reverse: ptr(false)},
	}
}

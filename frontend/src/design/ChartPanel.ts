import { defineAsyncComponent } from 'vue'

/** A chart; what draws it is loaded only where one is shown. */
export const ChartPanel = defineAsyncComponent(() => import('./EChart.vue'))

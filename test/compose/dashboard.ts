import { readFileSync } from 'node:fs'

interface Panel {
  readonly title: string
  /** Of a row there are none. */
  readonly targets?: readonly { readonly expr: string }[]
}

export interface Query {
  readonly panel: string
  readonly expr: string
}

/** What the dashboard asks Prometheus, with Grafana's variables in it. */
export function dashboardQueries(): Query[] {
  const { panels } = JSON.parse(readFileSync('grafana/dashboards/logfold.json', 'utf8')) as { readonly panels: readonly Panel[] }
  return panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ panel: title, expr })))
}

/** As Grafana would ask for all views and half an hour. */
export const asked = (expr: string): string => expr.replaceAll('$view', '.*').replaceAll('$__rate_interval', '1m')

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { Metrics } from '../src/metrics/metrics.ts'

/** What docker-compose.yml, the dashboard and Prometheus say of one another, and of logfold. That it runs is tried on an engine: docs/compose.md. */

interface Service {
  readonly image: string
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, unknown>>
  readonly profiles?: readonly string[]
}

const text = (file: string): string => readFileSync(file, 'utf8')
const { services } = parse(text('docker-compose.yml'), { merge: true }) as { readonly services: Readonly<Record<string, Service>> }
const dashboard = JSON.parse(text('grafana/dashboards/logfold.json')) as {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[]
}

describe('the compose file', () => {
  it('pins every image, and publishes on loopback alone', () => {
    for (const [name, { image, ports = [] }] of Object.entries(services)) {
      expect(image, name).toMatch(/:(?!latest$)[a-z0-9.-]+$/)
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
    }
  })

  it('sets what the configs read, and nothing else', () => {
    const given = Object.keys(services.worker?.environment ?? {}).filter(name => name !== 'LOGFOLD_CONFIG')
    const read = ['redis', 'postgres'].flatMap(store =>
      [...text(`config/kafka-${store}.yaml`).matchAll(/^[^#\n]*\$\{([A-Z_]+):-/gm)].map(([, name]) => name),
    )
    expect(given.toSorted()).toEqual([...new Set(read)].filter(name => !name?.endsWith('_PORT')).toSorted())
  })

  it('is scraped whole', () => {
    const { scrape_configs } = parse(text('grafana/prometheus.yml')) as {
      readonly scrape_configs: readonly { readonly static_configs: readonly { readonly targets: readonly string[] }[] }[]
    }
    const targets = scrape_configs.flatMap(scrape => scrape.static_configs.flatMap(({ targets: some }) => some))
    const ours = Object.entries(services).filter(([, { image }]) => image === 'logfold:local')
    expect(targets).toEqual(ours.map(([name]) => `${name}:9080`))
  })
})

describe('the dashboard', () => {
  it('asks for metrics and labels that there are', async () => {
    const { registry } = new Metrics('test')
    const known = new Map((await registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)]))
    for (const { title, targets } of dashboard.panels) {
      expect(targets.length, title).toBeGreaterThan(0)
      for (const { expr } of targets) {
        for (const [name] of expr.matchAll(/\b(?:logfold|process|nodejs)_[a-z0-9_]+/g)) {
          const base = name.replace(/_(bucket|count|sum)$/, '')
          expect(known.has(name) || known.get(base as string) === 'histogram', `${title}: ${name}`).toBe(true)
        }
      }
    }
  })

  it('shows every metric of ours', async () => {
    const { registry } = new Metrics('test')
    const shown = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join(' ')
    const ours = (await registry.getMetricsAsJSON()).map(({ name }) => name).filter(name => name.startsWith('logfold_'))
    expect(ours.filter(name => !shown.includes(name))).toEqual([])
  })
})

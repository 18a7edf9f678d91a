import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { Metrics } from '../src/metrics/metrics.ts'
import { dashboardQueries } from './compose/dashboard.ts'

/** What docker-compose.yml, the dashboard and Prometheus say of one another, and of logfold. That it runs is tried on an engine: test/compose/smoke.ts. */

interface Service {
  readonly image: string
  readonly build?: string
  readonly command?: readonly string[]
  readonly healthcheck?: unknown
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, unknown>>
  readonly profiles?: readonly string[]
  readonly volumes?: readonly string[]
}

const text = (file: string): string => readFileSync(file, 'utf8')
const { services } = parse(text('docker-compose.yml'), { merge: true }) as { readonly services: Readonly<Record<string, Service>> }
const ours = Object.entries(services).filter(([, { image }]) => image === 'logfold:local')
const dashboard = JSON.parse(text('grafana/dashboards/logfold.json')) as { readonly panels: readonly Panel[] }

interface Place {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

interface Panel {
  readonly id: number
  readonly title: string
  readonly type: string
  readonly datasource?: { readonly uid: string }
  readonly gridPos: Place
}

describe('the compose file', () => {
  it('pins every image, and publishes on loopback alone', () => {
    for (const [name, { image, ports = [] }] of Object.entries(services)) {
      expect(image, name).toMatch(/:(?!latest$)[a-z0-9.-]+$/)
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
    }
  })

  it('builds the image once, and looks after the health of every other', () => {
    expect(ours.map(([name, { build }]) => [name, build])).toEqual([
      ['worker', '.'],
      ['api-1', undefined],
      ['api-2', undefined],
    ])
    expect(text('Dockerfile')).toMatch(/^HEALTHCHECK /m)
    const others = Object.entries(services).filter(([, { image }]) => image !== 'logfold:local')
    expect(others.filter(([, { healthcheck }]) => healthcheck === undefined)).toEqual([])
  })

  it('lets the command in the containers into both listeners', () => {
    for (const [name, { command = [], environment }] of ours) {
      const hash = createHash('sha256').update(String(environment?.LOGFOLD_TOKEN)).digest('hex')
      const listeners = name === 'worker' ? ['admin'] : ['http', 'admin']
      const tokens = listeners.map(listener => `${listener}.tokens.compose={sha256: ${hash}, scopes: [read, write]}`)
      expect(command.slice(3), name).toEqual(tokens.flatMap(token => ['--set', token]))
    }
  })

  it('mounts files and folders that there are', () => {
    const mounted = Object.values(services).flatMap(({ volumes = [] }) => volumes.map(volume => volume.split(':')[0] ?? ''))
    expect(mounted.filter(source => source.startsWith('./') && !existsSync(source))).toEqual([])
  })

  it('sets what the config reads, and nothing else', () => {
    const given = Object.keys(services.worker?.environment ?? {}).filter(name => !name.startsWith('LOGFOLD_'))
    const read = [...text('config/compose.yaml').matchAll(/^[^#\n]*\$\{([A-Z_]+):-/gm)].map(([, name]) => name)
    expect(given.toSorted()).toEqual(read.filter(name => !name?.endsWith('_PORT')).toSorted())
  })

  it('is scraped whole', () => {
    const { scrape_configs } = parse(text('grafana/prometheus.yml')) as {
      readonly scrape_configs: readonly { readonly static_configs: readonly { readonly targets: readonly string[] }[] }[]
    }
    const targets = scrape_configs.flatMap(scrape => scrape.static_configs.flatMap(({ targets: some }) => some))
    expect(targets).toEqual(ours.map(([name]) => `${name}:9080`))
  })
})

describe('the dashboard', () => {
  it('asks for metrics and labels that there are', async () => {
    const { registry } = new Metrics('test')
    const known = new Map((await registry.getMetricsAsJSON()).map(({ name, type }) => [name, String(type)]))
    for (const { panel, expr } of dashboardQueries()) {
      for (const [name] of expr.matchAll(/\b(?:logfold|process|nodejs)_[a-z0-9_]+/g)) {
        const base = name.replace(/_(bucket|count|sum)$/, '')
        expect(known.has(name) || known.get(base as string) === 'histogram', `${panel}: ${name}`).toBe(true)
      }
    }
  })

  it('shows every metric of ours', async () => {
    const { registry } = new Metrics('test')
    const shown = dashboardQueries()
      .map(({ expr }) => expr)
      .join(' ')
    const all = (await registry.getMetricsAsJSON()).map(({ name }) => name).filter(name => name.startsWith('logfold_'))
    expect(all.filter(name => !shown.includes(name))).toEqual([])
  })

  it('asks the data source that is provisioned, at the pace at which it scrapes', () => {
    const { datasources } = parse(text('grafana/provisioning/datasources/prometheus.yaml')) as {
      readonly datasources: readonly { readonly uid: string; readonly jsonData: { readonly timeInterval: string } }[]
    }
    const { global } = parse(text('grafana/prometheus.yml')) as { readonly global: { readonly scrape_interval: string } }
    expect(datasources.map(({ uid, jsonData }) => [uid, jsonData.timeInterval])).toEqual([['prometheus', global.scrape_interval]])
    const panels = dashboard.panels.filter(({ type }) => type !== 'row')
    expect(panels.filter(({ datasource }) => datasource?.uid !== 'prometheus')).toEqual([])
  })

  it('has no two panels in one place, or with one number', () => {
    const { panels } = dashboard
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const meet = (a: Place, b: Place): boolean => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
    const pairs = panels.flatMap((a, nth) => panels.slice(nth + 1).map(b => [a, b] as const))
    expect(pairs.filter(([a, b]) => meet(a.gridPos, b.gridPos)).map(([a, b]) => [a.title, b.title])).toEqual([])
  })
})

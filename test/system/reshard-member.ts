import type { ReshardVerb } from '../../src/model/reshard.ts'
import type { ViewStatus } from '../../src/model/view-status.ts'
import { Running } from './running.ts'

const paths: Partial<Record<ReshardVerb, string>> = { create: 'reshard' }

/** What became of a verb: `accepted` and so on, or the code of a refusal with the checks that spoke against it. */
export interface Outcome {
  readonly outcome: string
  readonly checks: readonly string[]
}

/** logfold as a process on view job, which is asked to move. */
export class Member extends Running {
  /** Settles once the status is so, with what it is then. */
  async sees(what: string, isSo: (status: ViewStatus) => boolean | Promise<boolean>): Promise<ViewStatus> {
    let last = await this.status()
    await this.until(what, async () => {
      last = await this.status()
      return (await isSo(last)) || JSON.stringify(last, null, 1)
    })
    return last
  }

  /** Settles once the generations are these, as in `1 previous, 2 serving`. */
  async seesGenerations(phases: string): Promise<ViewStatus> {
    return await this.sees(phases, status => phasesOf(status) === phases)
  }

  async order(verb: ReshardVerb, body: Readonly<Record<string, unknown>> = {}): Promise<Outcome> {
    const answer = await fetch(`${this.adminUrl}/admin/views/job/${paths[verb] ?? verb}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const told = (await answer.json()) as { outcome?: string; code?: string; errors?: readonly { pointer?: string; detail: string }[] }
    return { outcome: told.outcome ?? told.code ?? '', checks: (told.errors ?? []).map(({ pointer, detail }) => `${pointer}: ${detail}`) }
  }
}

export const phasesOf = ({ generations }: ViewStatus): string => generations.map(({ number, phase }) => `${number} ${phase}`).join(', ')

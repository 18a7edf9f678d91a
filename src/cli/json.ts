import type { Client } from './client.ts'

/** The document at a path. @throws what `Client.request` throws; unreachable where the answer breaks off */
export async function getJson(client: Client, path: string): Promise<unknown> {
  const response = await client.request(path)
  try {
    return await response.json()
  } catch (error) {
    throw client.failed(error, 'GET')
  }
}
